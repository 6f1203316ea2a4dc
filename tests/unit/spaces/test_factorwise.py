"""Factors merged one by one: what the published code does, and how it differs from the sum."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from xlmerge.errors import SpaceError
from xlmerge.spaces import FactorwiseSpace, LowRank, LowRankSpace

if TYPE_CHECKING:
    from tests.unit.spaces.conftest import Draw


SPACE = FactorwiseSpace((9, 2), (2, 6), 0.5)


def matrix(x: LowRank) -> np.ndarray:
    return x.scale * (x.left @ x.right)


def test_golden_numbers() -> None:
    space = FactorwiseSpace((1, 1), (1, 1), 1.0)
    x, s, u = (
        LowRank(np.asarray([[b]]), np.asarray([[a]]), 1.0) for b, a in ((2, 3), (1, 1), (4, 2))
    )
    found = space.transport(x, s, u, 1.0)
    assert (found.left.item(), found.right.item()) == (5, 4)  # the sum of matrices has 6 + 8 - 1
    assert space.inner(x, u) == 2 * 4 + 3 * 2
    assert space.dense(space.lincomb([1.0, -1.0], [x, u])).tolist() == [-2, 1]


def test_the_effect_is_quadratic_in_t(draw: Draw) -> None:
    x, s, u = (draw.lora() for _ in range(3))
    low, middle, high = (matrix(SPACE.transport(x, s, u, t)) for t in (0.0, 1.0, 2.0))
    bend = 2 * 0.5 * (u.left - s.left) @ (u.right - s.right)
    np.testing.assert_allclose(high - 2 * middle + low, bend, atol=1e-12)


def test_it_depends_on_the_factorisation(draw: Draw) -> None:
    x, s, u = (draw.lora() for _ in range(3))
    other = LowRank(3 * u.left, u.right / 3, u.scale)
    np.testing.assert_allclose(matrix(other), matrix(u))
    first, second = (matrix(SPACE.transport(x, s, v, 1.0)) for v in (u, other))
    assert np.linalg.norm(first - second) > 0.1 * np.linalg.norm(first)


def test_with_one_frozen_factor_it_is_the_sum_of_the_matrices(draw: Draw) -> None:
    frozen = draw.array(2, 6)
    x, s, u = (replace(draw.lora(), right=frozen) for _ in range(3))
    for t in (0.5, 1.0, -1.0):
        factor = matrix(SPACE.transport(x, s, u, t))
        exact = matrix(LowRankSpace().transport(x, s, u, t))
        np.testing.assert_allclose(factor, exact, atol=1e-12)


def test_the_whole_step_at_the_source_is_the_target(draw: Draw) -> None:
    s, u = draw.lora(), draw.lora()
    np.testing.assert_allclose(matrix(SPACE.transport(s, s, u, 1.0)), matrix(u), atol=1e-12)


def test_transport_of_nothing_is_x_bit_for_bit(draw: Draw) -> None:
    x, s, u = (draw.lora() for _ in range(3))
    assert SPACE.transport(x, s, u, 0.0) is x
    twin = LowRank(s.left.copy(), s.right.copy(), s.scale)
    assert SPACE.transport(x, s, twin, 0.7).left.tobytes() == x.left.tobytes()


def test_the_space_of_a_point(draw: Draw) -> None:
    space = FactorwiseSpace.of(draw.lora(out=3, rank=2, width=4, scale=1.5))
    assert (space.left_shape, space.right_shape, space.scale) == ((3, 2), (2, 4), 1.5)


@pytest.mark.parametrize("odd", [{"rank": 3}, {"scale": 1.0}, {"out": 8}])
@pytest.mark.parametrize(
    "operation", ["delta", "restore", "dense", "lincomb", "inner", "transport"]
)
def test_ranks_scales_and_shapes_must_agree(draw: Draw, operation: str, odd: dict) -> None:
    x, y = draw.lora(), draw.lora(**odd)
    with pytest.raises(SpaceError, match="equal rank and scale, since") as caught:
        {
            "delta": lambda: SPACE.delta(y),
            "restore": lambda: SPACE.restore(y),
            "dense": lambda: SPACE.dense(y),
            "lincomb": lambda: SPACE.lincomb([1.0, 1.0], [x, y]),
            "inner": lambda: SPACE.inner(x, y),
            "transport": lambda: SPACE.transport(x, x, y, 1.0),
        }[operation]()
    assert "matrices" in str(caught.value.hint)


def test_undense_needs_the_size_of_both_factors() -> None:
    with pytest.raises(SpaceError, match=r"30 entries, found shape \(29,\)"):
        SPACE.undense(np.zeros(29))
