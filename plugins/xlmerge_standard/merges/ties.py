"""TIES: trim, elect sign, merge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

from xlmerge.plugin import Between, Count, Point, merge_method
from xlmerge.spaces import array_namespace


@merge_method(
    summary="Keep each task vector's largest entries, let them vote on a sign, average those that agree.",
    source="Yadav et al. 2023, arXiv 2306.01708, algorithm 1",
    scopes=("adapter", "layer", "parameter"),
    elementwise=True,
    symmetric=True,
)
def ties(
    space: Any,
    *,
    adapters: Annotated[Sequence[Point], Count(1)],
    density: Annotated[float, Between(0, 1, open_low=True), "share of entries kept of each task vector"] = 0.2,
    coefficient: Annotated[float, "factor on the merged task vector (lambda in the paper)"] = 1.0,
) -> Point:
    """``lambda * tau`` with tau the mean, entry by entry, of the trimmed entries whose sign won.

    The thresholds are taken over all that one call spans: the whole task vector, as published, unless the recipe
    sets another ``scope``. Where the votes cancel exactly, the result is 0 (gamma = sgn(0) in the paper).
    """
    deltas = [space.dense(space.delta(x)) for x in adapters]
    thresholds = [space.kth_magnitude(d, max(1, math.ceil(density * space.size(d)))) for d in deltas]

    def merge(*entries: Any) -> Any:
        xp = array_namespace(*entries)
        zero = xp.zeros_like(entries[0])
        trimmed = [xp.where(xp.abs(d) >= k, d, zero) for d, k in zip(entries, thresholds, strict=True)]
        elected = xp.sign(sum(trimmed, start=zero))
        winners = [xp.where(xp.sign(d) == elected, d, zero) for d in trimmed]
        votes = sum((xp.astype(d != 0, zero.dtype) for d in winners), start=zero)
        return sum(winners, start=zero) * (coefficient / xp.where(votes > 0, votes, xp.ones_like(zero)))

    return space.restore(space.undense(space.elementwise(merge, *deltas)))
