"""DARE: drop entries at random and rescale the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from xlmerge.plugin import Between, Point, Random, Weights, merge_method
from xlmerge.spaces import array_namespace


@merge_method(
    summary="Drop a random share of each task vector's entries, scale up the rest, add them with weights.",
    source="Yu et al. 2024, arXiv 2311.03099, section 3.2",
    elementwise=True,
    symmetric=True,
)
def dare(
    space: Any,
    *,
    adapters: Sequence[Point],
    weights: Weights,
    rng: Random,
    drop_rate: Annotated[float, Between(0, 1, open_high=True), "share of entries dropped (p in the paper)"] = 0.9,
) -> Point:
    """``sum_i w_i m_i * delta_i / (1 - p)`` with independent masks m_i, each entry 1 with probability 1 - p."""

    def merge(*deltas: Any) -> Any:
        xp = array_namespace(*deltas)
        total = xp.zeros_like(deltas[0])
        for index, (weight, delta) in enumerate(zip(weights, deltas, strict=True)):
            kept = xp.where(rng.uniform(delta, index) >= drop_rate, delta, xp.zeros_like(delta))
            total = total + kept * (weight / (1 - drop_rate))
        return total

    dense = [space.dense(space.delta(x)) for x in adapters]
    return space.restore(space.undense(space.elementwise(merge, *dense)))
