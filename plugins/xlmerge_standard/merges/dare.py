"""DARE: drop entries at random and rescale the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from xlmerge.errors import ParameterError
from xlmerge.plugin import Between, Point, Random, Weights, merge_method
from xlmerge.spaces import Array, Space, array_namespace


@merge_method(
    summary="Drop a random share of each adapter's entries, scale up the rest, add with weights.",
    source="Yu et al. 2024, arXiv 2311.03099 (with task arithmetic as the method to merge by)",
    elementwise=True,
    symmetric=True,
)
def dare(
    space: Space[Point, Any],
    *,
    adapters: Sequence[Point],
    weights: Weights,
    rng: Random,
    drop_rate: Annotated[
        float, Between(0, 1, open_high=True), "share of entries dropped (p in the paper)"
    ] = 0.9,
) -> Point:
    """``sum_i w_i m_i * delta_i / (1 - p)``, each entry of the masks m_i 1 with probability 1 - p.

    The expectation over the draws is ``sum_i w_i delta_i``. A mask depends on the seed and on the
    names of the parameter and the adapter only. mergekit and PEFT call the method ``dare_linear``
    and give the share kept, ``density = 1 - drop_rate``.

    Raises:
        ParameterError: There is one adapter, which dropping would damage for nothing.
    """
    if len(adapters) == 1 and drop_rate > 0:
        raise ParameterError(
            "dare: entries are dropped so that several adapters get out of each other's way; "
            f"`drop_rate: {drop_rate:g}` would only damage a single one",
            hint="give two adapters or more, or `drop_rate: 0`",
        )

    def merge(*entries: Array) -> Array:
        xp = array_namespace(*entries)
        total = xp.zeros_like(entries[0])
        for index, (weight, each) in enumerate(zip(weights, entries, strict=True)):
            kept = xp.where(rng.uniform(each, index) >= drop_rate, each, xp.zeros_like(each))
            total = total + kept * (weight / (1 - drop_rate))
        return total

    dense = [space.dense(space.delta(x)) for x in adapters]
    return space.restore(space.undense(space.elementwise(merge, *dense)))
