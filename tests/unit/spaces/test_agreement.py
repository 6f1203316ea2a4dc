"""The three libraries compute the same numbers, factors and signs included."""

from __future__ import annotations

import numpy as np
import pytest

from xlmerge.spaces import (
    AdditiveSpace,
    Array,
    Compression,
    FactorwiseSpace,
    LowRank,
    LowRankSpace,
    MultiplicativeSpace,
    PrefixSpace,
)
from xlmerge.testing import Values


def plain(values: Values) -> Array:
    return values(4, 9)


def lora(values: Values) -> LowRank:
    return LowRank(values(7, 3), values(3, 5), 0.5)


SPACES = {
    "additive": (AdditiveSpace(), plain),
    "low_rank": (LowRankSpace(), lora),
    "compressed": (LowRankSpace(Compression(tolerance=0.2), scale=2.0), lora),
    "factorwise": (FactorwiseSpace((7, 3), (3, 5), 0.5), lora),
    "multiplicative": (MultiplicativeSpace(), plain),
    "prefix": (PrefixSpace(), plain),
    "ridge_prefix": (PrefixSpace("ridge"), plain),
}


def parts(point: LowRank | Array) -> list[np.ndarray]:
    arrays = [point.left, point.right] if isinstance(point, LowRank) else [point]
    return [np.from_dlpack(array) for array in arrays]


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-11)])
def test_all_libraries_agree(library: str, name: str, dtype: str, tolerance: float) -> None:
    space, make = SPACES[name]

    def results(values: Values) -> list[np.ndarray]:
        x, s, u = (make(values.again(seed)) for seed in (1, 2, 3))
        deltas = [space.delta(point) for point in (x, s, u)]
        moved = space.transport(x, s, u, 0.5)
        mean = space.restore(space.lincomb([0.5, 0.25, -1.0], deltas))
        return [*parts(moved), *parts(mean), np.asarray(space.inner(deltas[0], deltas[1]))]

    found = results(Values(library, dtype, 0))
    expected = results(Values("numpy", dtype, 0))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=10 * tolerance)
