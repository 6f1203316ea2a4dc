"""(IA)³: steps are ratios, held back near zero."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from xlmerge.errors import SpaceError
from xlmerge.spaces import MultiplicativeSpace

if TYPE_CHECKING:
    from tests.unit.spaces.conftest import Draw, Facts


SPACE = MultiplicativeSpace()
ANY = arrays.arrays(np.float64, 6, elements=st.floats(-1e6, 1e6, width=32))


def test_golden_numbers(library: str) -> None:
    xp = importlib.import_module(library)
    space = MultiplicativeSpace(ridge=0.5)  # median magnitude 2, so e = 1
    source, target = (xp.asarray(v, dtype=xp.float64) for v in ([2.0, 0.0, -2.0], [4.0, 7.0, 2.0]))
    ratio = space.ridge_ratio(target, source)
    assert [float(v) for v in ratio] == [9 / 5, 1.0, -3 / 5]
    x = xp.asarray([10.0, 10.0, 10.0], dtype=xp.float32)
    found = space.transport(x, source, target, 0.5)
    assert [float(v) for v in found] == pytest.approx([14.0, 10.0, 2.0])
    assert found.dtype == xp.float32


def test_a_vector_of_ones_is_the_zero_delta() -> None:
    assert not SPACE.delta(np.ones(3)).any()
    assert SPACE.restore(np.zeros(3)).tolist() == [1.0, 1.0, 1.0]


@given(target=ANY, source=ANY, ridge=st.sampled_from([1e-9, 1e-3, 10.0]))
def test_the_ratio_is_finite_and_one_where_equal(
    target: np.ndarray, source: np.ndarray, ridge: float
) -> None:
    target = np.where(np.arange(6) % 2, source, target)
    ratio = MultiplicativeSpace(ridge).ridge_ratio(target, source)
    assert np.isfinite(ratio).all()
    assert (ratio[target == source] == 1.0).all()


@pytest.mark.parametrize("source", [[0, 0, 0, 0], [0, 0, 0, 5], [1e-200] * 4, [1e200] * 4])
def test_extreme_sources(source: list[float]) -> None:
    array = np.asarray(source, float)
    assert np.isfinite(SPACE.ridge_ratio(np.ones(4), array)).all()
    assert (SPACE.ridge_ratio(array.copy(), array) == 1.0).all()


def test_far_from_zero_it_is_the_plain_ratio(draw: Draw) -> None:
    source, target = 1 + 0.1 * draw.array(50), 1 + 0.1 * draw.array(50)
    np.testing.assert_allclose(SPACE.ridge_ratio(target, source), target / source, rtol=1e-5)


def test_the_whole_step_at_the_source_is_the_target(draw: Draw) -> None:
    source, target = 1 + 0.1 * draw.array(50), 1 + 0.1 * draw.array(50)
    np.testing.assert_allclose(SPACE.transport(source, source, target, 1.0), target, rtol=1e-5)


def test_transport_commutes_with_folding_into_the_weights(draw: Draw) -> None:
    """A layer scaled by the merged vector is the layer scaled by x, then by the step."""
    weights, x = draw.array(5, 8), 1 + 0.1 * draw.array(5)
    source, target = 1 + 0.1 * draw.array(5), 1 + 0.1 * draw.array(5)
    merged = SPACE.transport(x, source, target, 1.0)
    folded = (x[:, None] * weights) * SPACE.ridge_ratio(target, source)[:, None]
    np.testing.assert_allclose(merged[:, None] * weights, folded, rtol=1e-12)


def test_transport_of_nothing_is_x_bit_for_bit(draw: Draw) -> None:
    x, source = np.float32(draw.array(50)), np.float32(draw.array(50))
    assert SPACE.transport(x, source, x, 0.0) is x
    assert SPACE.transport(x, source, source, 0.7) is x
    assert SPACE.transport(x, source, source.copy(), 0.7).tobytes() == x.tobytes()


def test_what_is_observed(facts: Facts) -> None:
    space = MultiplicativeSpace(ridge=0.01, observe=facts)
    source = np.asarray([1.0, 1.0, -1.0, 0.005, 0.0])
    target = np.asarray([2.0, -3.0, -1.0, 0.005, 1.0])
    space.transport(np.ones(5), source, target, 1.0)
    assert facts["clipped"] == [2.0]
    assert facts["sign_flipped"] == [1.0]
    assert facts["largest_ratio"] == [pytest.approx(3.0, rel=1e-3)]
    space.transport(np.ones(5), source, target, 0.0)
    assert len(facts["clipped"]) == 1


@pytest.mark.parametrize("ridge", [0.0, -1.0, np.inf, np.nan])
def test_the_ridge_is_positive(ridge: float) -> None:
    with pytest.raises(SpaceError, match="ridge"):
        MultiplicativeSpace(ridge)


def test_nothing_is_broadcast() -> None:
    with pytest.raises(SpaceError, match=r"\(3,\), \(3, 1\)"):
        SPACE.transport(np.ones(3), np.ones((3, 1)), np.ones(3), 1.0)
    with pytest.raises(SpaceError, match=r"\(3,\), \(1,\)"):
        SPACE.ridge_ratio(np.ones(3), np.ones(1))
