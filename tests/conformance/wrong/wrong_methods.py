"""Merge methods, each wrong in one way."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Annotated, Any

from xlmerge.plugin import Between, Count, Point, Weights, merge_method
from xlmerge.spaces import array_namespace

Adapters = Sequence[Point]
symmetric = merge_method(summary="Wrong.", source="made up", symmetric=True)
elementwise = merge_method(summary="Wrong.", source="made up", symmetric=True, elementwise=True)
plain = merge_method(summary="Wrong.", source="made up")
_calls = itertools.count()


def _apply(space: Any, function: Any, adapters: Any) -> Any:
    dense = [space.dense(space.delta(x)) for x in adapters]
    return space.restore(space.undense(space.elementwise(function, *dense)))


@elementwise
def sums_in_place(space: Any, *, adapters: Adapters) -> Point:
    def add(first: Any, *rest: Any) -> Any:
        for other in rest:
            first += other
        return first

    return _apply(space, add, adapters)


@symmetric
def takes_the_first(space: Any, *, adapters: Adapters) -> Point:
    return adapters[0]


@plain
def hides_its_symmetry(space: Any, *, adapters: Adapters) -> Point:
    shares = [1 / len(adapters)] * len(adapters)
    return space.restore(space.lincomb(shares, [space.delta(x) for x in adapters]))


@symmetric
def hangs_on_the_hash_seed(space: Any, *, adapters: Adapters) -> Point:
    share = hash("xlmerge") % 1000 / (1000 * len(adapters))
    return space.restore(space.lincomb([share] * len(adapters), [space.delta(x) for x in adapters]))


@symmetric
def remembers(space: Any, *, adapters: Adapters) -> Point:
    share = 1 / (len(adapters) + next(_calls))
    return space.restore(space.lincomb([share] * len(adapters), [space.delta(x) for x in adapters]))


@elementwise
def narrows(space: Any, *, adapters: Adapters) -> Point:
    def mean(*entries: Any) -> Any:
        xp = array_namespace(*entries)
        return xp.astype(sum(entries) / len(entries), xp.float32)

    return _apply(space, mean, adapters)


@elementwise
def divides_by_zero(space: Any, *, adapters: Adapters) -> Point:
    def harmonic(*entries: Any) -> Any:
        import numpy as np

        with np.errstate(all="ignore"):
            return len(entries) / sum(1 / entry for entry in entries)

    return _apply(space, harmonic, adapters)


@elementwise
def knows_numpy_only(space: Any, *, adapters: Adapters) -> Point:
    def median(*entries: Any) -> Any:
        import numpy as np

        return np.median(np.stack(entries), axis=0)

    return _apply(space, median, adapters)


@merge_method(
    summary="Wrong.",
    source="made up",
    symmetric=True,
    elementwise=True,
    scopes=("adapter", "parameter"),
)
def keeps_state_between_members(space: Any, *, adapters: Adapters) -> Point:
    seen: list[int] = []

    def fade(*entries: Any) -> Any:
        seen.append(1)
        return sum(entries) / (len(entries) * len(seen))

    return _apply(space, fade, adapters)


@symmetric
def halves_one_adapter(space: Any, *, adapters: Adapters, weights: Weights) -> Point:
    shares = [weight / (1 + len(weights)) for weight in weights]
    return space.restore(space.lincomb(shares, [space.delta(x) for x in adapters]))


@plain
def raises_what_is_not_ours(
    space: Any,
    *,
    adapters: Annotated[Adapters, Count(2, 2)],
    t: Annotated[float, Between(0, 1)] = 0.5,
) -> Point:
    if t != 0.5:
        raise RuntimeError("no")
    return space.restore(space.lincomb([1 - t, t], [space.delta(x) for x in adapters]))
