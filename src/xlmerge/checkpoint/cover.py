"""Architectures cover a folder: every tensor is claimed by exactly one, every setting understood by at least one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xlmerge.errors import UnsupportedAdapterError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from xlmerge.checkpoint.folder import AdapterFolder
    from xlmerge.plugin.architecture import AdapterArchitecture, Bundle, Claim, FileHalf, Parameter
    from xlmerge.plugin.headers import FolderHeader
    from xlmerge.plugin.registry import Registry

__all__ = ["AdapterLayout", "Covered", "cover"]

HEAD = "head"


@dataclass(frozen=True, slots=True)
class Covered:
    """An architecture and what it claimed."""

    architecture: AdapterArchitecture
    half: FileHalf
    claim: Claim


@dataclass(frozen=True, slots=True)
class AdapterLayout:
    """A folder and what its tensors mean.

    Attributes:
        folder: The open folder.
        covered: Architectures with tensors in it.
    """

    folder: AdapterFolder
    covered: tuple[Covered, ...]

    def bundles(self, *, head: bool = False) -> list[tuple[Covered, Bundle]]:
        """Bundles that merge methods see, or those of the head; in order of their keys."""
        found = [
            (covered, bundle)
            for covered in self.covered
            for bundle in covered.claim.bundles
            if (bundle.parameters[0].part == HEAD) == head
        ]
        return sorted(found, key=lambda pair: min(pair[1].keys.values()))

    def parameters(self, *, head: bool = False) -> dict[str, Parameter]:
        """Parameters by name."""
        return {p.name: p for _, bundle in self.bundles(head=head) for p in bundle.parameters}

    @property
    def meaning(self) -> dict[str, Any]:
        """Settings that adapters must share to be merged, as ``architecture.setting``."""
        return {
            f"{covered.architecture.name}.{key}": value
            for covered in self.covered
            for key, value in covered.claim.meaning.items()
        }

    @property
    def has_head(self) -> bool:
        """Whether a prediction head lies in the folder."""
        return bool(self.bundles(head=True))


def cover(folder: AdapterFolder, registry: Registry) -> AdapterLayout:
    """Find out what every tensor of a folder means.

    Raises:
        UnsupportedAdapterError: A tensor is claimed by no architecture or by two, or a setting is understood by none.
    """
    header = folder.header
    claims: list[tuple[str, Covered]] = []
    for registered in registry.architectures.values():
        architecture = registered.descriptor
        half = architecture.half(header.format)
        claim = half.claim(header) if half is not None else None
        if half is not None and claim is not None:
            claims.append((f"{architecture.name} ({registered.distribution})", Covered(architecture, half, claim)))
    owners: dict[str, str] = {}
    for owner, covered in claims:
        for key in _keys(covered.claim.bundles):
            if key in owners:
                raise UnsupportedAdapterError(
                    f"{header.path}: the tensor {key!r} is claimed by two architectures, {owners[key]} and {owner}",
                    hint="disable one of the plugins with XLMERGE_DISABLE_PLUGINS",
                )
            owners[key] = owner
    _check_tensors(header, owners)
    _check_settings(header, [covered for _, covered in claims])
    return AdapterLayout(folder, tuple(covered for _, covered in claims if covered.claim.bundles))


def _keys(bundles: Iterable[Bundle]) -> list[str]:
    return [key for bundle in bundles for key in (*bundle.keys.values(), *bundle.copies)]


def _check_tensors(header: FolderHeader, owners: Mapping[str, str]) -> None:
    unclaimed = [key for key in (*header.tensors, *header.head_tensors) if key not in owners]
    if unclaimed:
        shown = ", ".join(repr(key) for key in unclaimed[:3]) + (", ..." if len(unclaimed) > 3 else "")
        kind = header.config.get("peft_type") or header.config.get("architecture") or "bottleneck"
        raise UnsupportedAdapterError(
            f"{header.path}: {len(unclaimed)} of {len(header.tensors) + len(header.head_tensors)} tensors are covered by "
            f"no architecture: {shown} (the configuration says: {kind})",
            hint="`xlmerge plugins` lists the architectures there are; another one can come from a plugin",
        )
    if not any(key in header.tensors for key in owners):
        raise UnsupportedAdapterError(f"{header.path}: no architecture covers anything here")


def _check_settings(header: FolderHeader, covered: Iterable[Covered]) -> None:
    """Settings that no architecture understands might change what the tensors do; empty ones do not."""
    understood = {key for item in covered for key in item.claim.config_keys}
    unknown = {
        key: value
        for key, value in header.config.items()
        if key not in understood and value not in (None, False, "", [], {})
    }
    if unknown:
        shown = ", ".join(f"{key}: {value!r}" for key, value in sorted(unknown.items()))
        raise UnsupportedAdapterError(
            f"{header.path}: no architecture understands the setting {shown}",
            hint="it may change what the tensors do, so the adapter is not merged on a hope",
        )
