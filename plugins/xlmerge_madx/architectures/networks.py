"""The networks of a coupling as they lie in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlmerge.errors import UnsupportedAdapterError
from xlmerge.plugin import Claim, claim_by_patterns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlmerge.plugin import FolderHeader

__all__ = ["SETTINGS", "claim_networks"]

SETTINGS = frozenset({"inv_adapter", "inv_adapter_reduction_factor"})
"""Settings that couplings read, beside the adapter's activation."""


def claim_networks(
    header: FolderHeader, kind: str, networks: Mapping[str, int], *, called: str
) -> Claim | None:
    """Claim the networks of one kind of coupling: two linear maps each, with biases.

    Args:
        header: The folder.
        kind: What ``inv_adapter`` says of it.
        networks: Name of each, and which half it changes: 1 or 2.
        called: The adapter in messages, with its article.

    Returns:
        The claim; None if the folder neither declares nor holds this kind.

    Raises:
        UnsupportedAdapterError: Configuration and tensors do not go together.
    """
    block = header.config.get("inv_adapter")
    pattern = rf"invertible_adapters\.\{{name\}}\.(?:{'|'.join(networks)})\.[02]\.(?:weight|bias)"
    claim = claim_by_patterns(
        header,
        [pattern],
        part="invertible",
        meaning={
            "inv_adapter": block,
            "inv_adapter_reduction_factor": header.config.get("inv_adapter_reduction_factor"),
            # The networks use the adapter's own activation.
            "non_linearity": str(header.config.get("non_linearity")).lower(),
        },
        config_keys=SETTINGS | {"non_linearity"},
    )
    # Tensors of another kind are told of by that kind.
    none_at_all = not any(key.startswith("invertible_adapters.") for key in header.tensors)
    if none_at_all and block == kind:
        raise UnsupportedAdapterError(
            f"{header.path}: the configuration declares an invertible adapter ({kind}), but the "
            f"file has none of its {4 * len(networks)} tensors; the library would load a random "
            "one in their place",
            hint="this is what `average_adapter` of adapters 1.3 saves on a model with a head: "
            "merge the originals",
        )
    if claim is None:
        return None
    if block != kind:
        raise UnsupportedAdapterError(
            f"{header.path}: the file has the coupling networks of {called}; the configuration "
            f"says `inv_adapter: {block}`"
        )
    _check_shapes(header, claim, networks)
    return claim


def _check_shapes(header: FolderHeader, claim: Claim, networks: Mapping[str, int]) -> None:
    """Check that all networks are whole and fit the halves of the embedding."""
    shapes = {bundle.parameters[0].name: bundle.parameters[0].shape for bundle in claim.bundles}
    names = [
        f"invertible_adapters.{network}.{index}.{kind}"
        for network in networks
        for index in (0, 2)
        for kind in ("weight", "bias")
    ]
    missing = [name for name in names if name not in shapes]
    if missing:
        raise UnsupportedAdapterError(
            f"{header.path}: the invertible adapter lacks {', '.join(missing)}",
            hint="the file is incomplete: save the adapter again",
        )
    if header.hidden_size is None:
        return
    # The split is at the middle, the smaller half first where the width is odd.
    first = header.hidden_size // 2
    second = header.hidden_size - first
    factor = header.config.get("inv_adapter_reduction_factor")
    for network, half in networks.items():
        into, out_of = (second, first) if half == 1 else (first, second)
        stem = f"invertible_adapters.{network}"
        found = shapes[f"{stem}.0.bias"]
        inner = int(into // factor) if isinstance(factor, int | float) else found[0]
        expected = {
            f"{stem}.0.weight": (inner, into),
            f"{stem}.0.bias": (inner,),
            f"{stem}.2.weight": (out_of, inner),
            f"{stem}.2.bias": (out_of,),
        }
        for name, shape in expected.items():
            if shapes[name] != shape:
                raise UnsupportedAdapterError(
                    f"{header.path}: {name}: expected shape {shape}, found {shapes[name]}"
                )
