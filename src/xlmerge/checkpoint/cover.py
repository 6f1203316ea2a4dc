"""Architectures cover a folder: every tensor claimed by exactly one, every setting understood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xlmerge.errors import UnsupportedAdapterError, XLMergeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from xlmerge.checkpoint.folder import AdapterFolder
    from xlmerge.plugin.architecture import AdapterArchitecture, Bundle, Claim, FileHalf, Parameter
    from xlmerge.plugin.headers import FolderHeader
    from xlmerge.plugin.registry import Registered, Registry

__all__ = ["AdapterLayout", "Covered", "cover"]

HEAD = "head"


@dataclass(frozen=True, slots=True)
class Covered:
    """An architecture and what it claimed.

    Attributes:
        registered: The architecture and who provides it.
        half: Its half for the folder's library.
        claim: What it claimed.
    """

    registered: Registered[AdapterArchitecture]
    half: FileHalf
    claim: Claim

    @property
    def architecture(self) -> AdapterArchitecture:
        """The architecture."""
        return self.registered.descriptor

    @property
    def in_words(self) -> str:
        """The architecture and its provider, for messages."""
        return f"{self.architecture.name} of {self.registered.provider}"


@dataclass(frozen=True, slots=True)
class AdapterLayout:
    """A folder and what its tensors mean.

    Attributes:
        folder: The open folder.
        covered: Architectures with tensors in it.
    """

    folder: AdapterFolder
    covered: tuple[Covered, ...]

    @property
    def covered_adapter(self) -> tuple[Covered, ...]:
        """Architectures with tensors in the adapter itself, beside its head."""
        return tuple(
            covered
            for covered in self.covered
            if any(bundle.parameters[0].part != HEAD for bundle in covered.claim.bundles)
        )

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
        UnsupportedAdapterError: A tensor is claimed by no architecture or by two, or a setting is
            understood by none.
    """
    header = folder.header
    found, refusals = _claims(header, registry)
    owners = _owners(header, found)
    try:
        _check_tensors(header, owners)
        _check_settings(header, found)
    except UnsupportedAdapterError:
        # What one architecture refuses another may cover; where none does, its reason counts.
        if refusals:
            raise refusals[0] from None
        raise
    _check_parameters(header, found)
    layout = AdapterLayout(folder, tuple(covered for covered in found if covered.claim.bundles))
    if not layout.covered_adapter:
        raise UnsupportedAdapterError(
            f"{header.path}: nothing but a prediction head lies here; there is no adapter to merge"
        )
    return layout


def _claims(
    header: FolderHeader, registry: Registry
) -> tuple[list[Covered], list[UnsupportedAdapterError]]:
    """What the architectures claim, and why some refused to."""
    found: list[Covered] = []
    refusals: list[UnsupportedAdapterError] = []
    for registered in registry.architectures.values():
        try:
            covered = _claim(registered, header)
        except UnsupportedAdapterError as error:
            refusals.append(error)
        else:
            found += [] if covered is None else [covered]
    return found, refusals


def _claim(registered: Registered[AdapterArchitecture], header: FolderHeader) -> Covered | None:
    """What one architecture claims."""
    half = registered.descriptor.half(header.format)
    if half is None:
        return None
    try:
        claim = half.claim(header)
    except XLMergeError:
        raise
    except Exception as error:
        # A setting of an unexpected type, or a mistake of a stranger's: either way this folder
        # is not understood.
        raise UnsupportedAdapterError(
            f"{header.path}: the architecture {registered.descriptor.name} "
            f"({registered.provider}) cannot make sense of the folder: "
            f"{type(error).__name__}: {error}",
            hint="look for a setting of the wrong type in adapter_config.json; if there is none, "
            "report it to the plugin's author",
        ) from error
    return None if claim is None else Covered(registered, half, claim)


def _owners(header: FolderHeader, found: Iterable[Covered]) -> dict[str, Covered]:
    """Which architecture claims which key."""
    owners: dict[str, Covered] = {}
    for covered in found:
        for bundle in covered.claim.bundles:
            for key in (*bundle.keys.values(), *bundle.copies):
                if key not in header.tensors and key not in header.head_tensors:
                    raise UnsupportedAdapterError(
                        f"{header.path}: {covered.in_words} claims the tensor {key!r}, which is "
                        "not there",
                        hint="report it to the plugin's author",
                    )
                if key in owners:
                    raise UnsupportedAdapterError(
                        f"{header.path}: the tensor {key!r} is claimed twice, by "
                        f"{owners[key].in_words} and by {covered.in_words}",
                        hint="disable one of the plugins with XLMERGE_DISABLE_PLUGINS",
                    )
                owners[key] = covered
    return owners


def _check_tensors(header: FolderHeader, owners: Mapping[str, object]) -> None:
    everything = [*header.tensors, *header.head_tensors]
    unclaimed = [key for key in everything if key not in owners]
    if unclaimed:
        shown = ", ".join(map(repr, unclaimed[:3])) + (", ..." if len(unclaimed) > 3 else "")
        config = header.config
        kind = config.get("peft_type") or config.get("architecture") or "bottleneck"
        raise UnsupportedAdapterError(
            f"{header.path}: {len(unclaimed)} of {len(everything)} tensors are covered by no "
            f"architecture: {shown} (the configuration says: {kind})",
            hint="`xlmerge plugins` lists the architectures there are; another one can come from "
            "a plugin",
        )


def _check_parameters(header: FolderHeader, found: Iterable[Covered]) -> None:
    """Check what everything later relies on: bundles with parameters, names of their own."""
    owners: dict[str, Covered] = {}
    for covered in found:
        for bundle in covered.claim.bundles:
            if not bundle.parameters or not bundle.keys:
                raise UnsupportedAdapterError(
                    f"{header.path}: {covered.in_words} claims a bundle without tensors or "
                    "parameters",
                    hint="report it to the plugin's author",
                )
            for parameter in bundle.parameters:
                if parameter.name in owners:
                    raise UnsupportedAdapterError(
                        f"{header.path}: two parameters are called {parameter.name!r}, of "
                        f"{owners[parameter.name].in_words} and of {covered.in_words}",
                        hint="report it to the plugins' authors",
                    )
                owners[parameter.name] = covered


def _check_settings(header: FolderHeader, found: Iterable[Covered]) -> None:
    """Settings nobody understands might change what the tensors do; empty ones do not."""
    understood = {key for covered in found for key in covered.claim.config_keys}
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
