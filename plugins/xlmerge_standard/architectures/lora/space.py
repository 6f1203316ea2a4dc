"""The space of a LoRA matrix, as a recipe asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from xlmerge.errors import ParameterError
from xlmerge.plugin import AtLeast, Between
from xlmerge.spaces import Compression, FactorwiseSpace, LowRankSpace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xlmerge.plugin import Parameter
    from xlmerge.spaces import Observe, Space

__all__ = ["space_of_lora"]


def space_of_lora(
    peers: Sequence[Parameter],
    observe: Observe,
    *,
    rank: Annotated[
        int | None, AtLeast(1), "rank of the result; the discarded share is reported"
    ] = None,
    tolerance: Annotated[
        float | None,
        Between(0, 1, open_high=True),
        "smallest rank within this relative (Frobenius) error, per matrix",
    ] = None,
    energy: Annotated[
        float | None,
        Between(0, 1, open_low=True),
        "smallest rank that keeps this share of the squared norm, per matrix",
    ] = None,
    elements: Annotated[
        Literal["delta", "factors"],
        "what is merged: the product B @ A, or A and B each for itself (as the papers' code does; "
        "cross terms arise)",
    ] = "delta",
) -> Space[Any, Any]:
    """The space of one matrix.

    Raises:
        ParameterError: Options contradict each other.
    """
    options = {"rank": rank, "tolerance": tolerance, "energy": energy}
    given = [name for name, value in options.items() if value is not None]
    if len(given) > 1:
        raise ParameterError(f"give one of {', '.join(given)}, not all of them")
    scales = {peer.attributes["scale"] for peer in peers}
    # The inputs' own scale if they share it, else 1 with B rescaled.
    scale = scales.pop() if len(scales) == 1 and 0 not in scales else 1.0
    if elements == "factors":
        if given:
            raise ParameterError(
                f"`{given[0]}` is for merging deltas; `elements: factors` keeps the rank of the "
                "inputs"
            )
        inner = int(peers[0].attributes["rank"])
        outer, width = peers[0].shape
        return FactorwiseSpace((outer, inner), (inner, width), scale)
    compression = Compression(rank=rank, tolerance=tolerance, energy=energy) if given else None
    return LowRankSpace(compression=compression, scale=scale, observe=observe)
