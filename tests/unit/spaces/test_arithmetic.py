"""Linear combinations and inner products of plain arrays, through the additive space."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import numpy as np
import pytest

from xlmerge.errors import SpaceError
from xlmerge.spaces import AdditiveSpace

if TYPE_CHECKING:
    from tests.unit.spaces.conftest import Draw


SPACE = AdditiveSpace()


def test_golden_numbers(library: str) -> None:
    xp = importlib.import_module(library)
    x, s, u = (xp.asarray(v, dtype=xp.float32) for v in ([1.0, 2.0], [3.0, -1.0], [0.5, 4.0]))
    assert [float(v) for v in SPACE.lincomb([2.0, -1.0, 0.5], [x, s, u])] == [-0.75, 7.0]
    assert [float(v) for v in SPACE.transport(x, s, u, 0.5)] == [-0.25, 4.5]
    assert SPACE.inner(x, s) == 1.0


def test_inner_accumulates_in_float64() -> None:
    ones = np.full(3_000_000, 0.1, np.float32)
    assert SPACE.inner(ones, ones) == pytest.approx(3e6 * float(np.float32(0.1)) ** 2, rel=1e-13)
    large = np.full(4, 1e30, np.float32)  # the products exceed float32
    assert SPACE.inner(large, large) == pytest.approx(4e60)


def test_a_term_of_weight_zero_is_left_out() -> None:
    broken = np.asarray([np.nan, np.inf])
    assert SPACE.lincomb([0.0, 1.0], [broken, np.ones(2)]).tolist() == [1.0, 1.0]


def test_one_term_of_weight_one_stays_bit_for_bit(draw: Draw) -> None:
    x = draw.array(50).astype(np.float32)
    assert SPACE.lincomb([0.0, 1.0], [x + 1, x]).tobytes() == x.tobytes()


def test_equal_source_and_target_leave_x_bit_for_bit(draw: Draw) -> None:
    x, s = draw.array(50), draw.array(50) * 1e10
    assert SPACE.transport(x, s, s.copy(), 0.3).tobytes() == x.tobytes()
    assert SPACE.transport(x, s, x, 0.0) is x


def test_dtypes_are_promoted_whatever_their_order() -> None:
    small, large = np.ones(2, np.float32), np.full(2, 1e-12)
    assert SPACE.lincomb([1.0, 1.0], [small, large])[0] == 1 + 1e-12
    assert SPACE.lincomb([1.0, 1.0], [large, small])[0] == 1 + 1e-12


@pytest.mark.parametrize("other", [(3,), (2, 1), (1,), (1, 2)])
def test_nothing_is_broadcast(other: tuple[int, ...]) -> None:
    x, y = np.ones(2), np.ones(other)
    for refused in (
        lambda: SPACE.lincomb([1.0, 1.0], [x, y]),
        lambda: SPACE.inner(x, y),
        lambda: SPACE.transport(x, x, y, 0.0),
    ):
        with pytest.raises(SpaceError, match=r"equal shape, found .*\(2,\).*"):
            refused()


@pytest.mark.parametrize(("weights", "count"), [([], 0), ([1.0], 2), ([1.0, 2.0], 1)])
def test_weights_and_deltas_must_pair_up(weights: list[float], count: int) -> None:
    with pytest.raises(SpaceError, match=f"found {len(weights)} weights and {count} deltas"):
        SPACE.lincomb(weights, [np.ones(2)] * count)
