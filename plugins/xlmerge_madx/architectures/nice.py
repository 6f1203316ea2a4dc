"""The invertible adapter of MAD-X: a NICE additive coupling at the embeddings.

Pfeiffer et al. 2020, section 4.2: with the embedding split into halves ``e1, e2``,
``o1 = F(e2) + e1``, ``o2 = G(o1) + e2``. Whatever the weights of F and G, the coupling inverts
exactly, so every merge of such adapters stays invertible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlmerge.errors import UnsupportedAdapterError
from xlmerge.plugin import AdapterArchitecture, Claim, FileHalf, claim_by_patterns

if TYPE_CHECKING:
    from xlmerge.plugin import FolderHeader

_KEY = r"invertible_adapters\.\{name\}\.[FG]\.[02]\.(?:weight|bias)"
_NAMES = [
    f"invertible_adapters.{network}.{index}.{kind}"
    for network in "FG"
    for index in (0, 2)
    for kind in ("weight", "bias")
]
_SETTINGS = frozenset({"inv_adapter", "inv_adapter_reduction_factor"})


def _claim(header: FolderHeader) -> Claim | None:
    """Claim the two coupling networks."""
    config = header.config
    block = config.get("inv_adapter")
    claim = claim_by_patterns(
        header,
        [_KEY],
        part="invertible",
        meaning={
            "inv_adapter": block,
            "inv_adapter_reduction_factor": config.get("inv_adapter_reduction_factor"),
            # The coupling networks use the adapter's own activation.
            "non_linearity": str(config.get("non_linearity")).lower(),
        },
        config_keys=_SETTINGS | {"non_linearity"},
    )
    if claim is None and block is None:
        return Claim(bundles=(), config_keys=_SETTINGS)
    if claim is None and block == "nice":
        raise UnsupportedAdapterError(
            f"{header.path}: the configuration declares an invertible adapter (nice), but the file "
            "has none of its 8 tensors; the library would load a random one in their place",
            hint="this is what `average_adapter` of adapters 1.3 saves on a model with a head: "
            "merge the originals",
        )
    if block == "glow":
        raise UnsupportedAdapterError(
            f"{header.path}: `inv_adapter: glow` cannot be merged: this block fails in the forward "
            "pass of adapters 1.3",
            hint="train with `inv_adapter: nice`, as MAD-X does",
        )
    if claim is None:
        return None
    if block != "nice":
        raise UnsupportedAdapterError(
            f"{header.path}: the file has the coupling networks of a NICE adapter; the "
            f"configuration says `inv_adapter: {block}`"
        )
    _check_shapes(header, claim)
    return claim


def _check_shapes(header: FolderHeader, claim: Claim) -> None:
    """Check that both networks are whole and fit the halves of the embedding."""
    shapes = {bundle.parameters[0].name: bundle.parameters[0].shape for bundle in claim.bundles}
    missing = [name for name in _NAMES if name not in shapes]
    if missing:
        raise UnsupportedAdapterError(
            f"{header.path}: the invertible adapter lacks {', '.join(missing)}",
            hint="the file is incomplete: save the adapter again",
        )
    if header.hidden_size is None:
        return
    # adapters splits at the middle, the smaller half first where the width is odd.
    first = header.hidden_size // 2
    second = header.hidden_size - first
    factor = header.config.get("inv_adapter_reduction_factor")
    for network, (into, out_of) in {"F": (second, first), "G": (first, second)}.items():
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


nice = AdapterArchitecture(
    name="nice",
    summary="Invertible adapter at the embeddings: an additive coupling of their two halves.",
    source="Pfeiffer et al. 2020, arXiv 2005.00052, section 4.2; Dinh et al. 2015, arXiv 1410.8516",
    files=(FileHalf(format="adapters", claim=_claim),),
)
