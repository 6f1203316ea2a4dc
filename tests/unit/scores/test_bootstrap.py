"""The bootstrap against what is known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest

from xlmerge.scores.bootstrap import interval, p_value, resampled_totals

SIZE = 500


def paired(shift: float) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(3)
    difference = draw.normal(size=SIZE)
    difference += shift - difference.mean()
    other = draw.normal(size=SIZE)
    return (other + difference)[:, None], other[:, None]


def normal_p(z: float) -> float:
    return math.erfc(abs(z) / math.sqrt(2))


def test_the_spread_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(0).exponential(size=(SIZE, 1))
    (totals,) = resampled_totals([values], resamples=20_000, key=[0])
    means = totals[:, 0] / SIZE
    assert means.std() == pytest.approx(values.std() / math.sqrt(SIZE), rel=0.03)
    assert means.mean() == pytest.approx(values.mean(), abs=3 * values.std() / SIZE)


def test_each_sample_has_as_many_rows_as_there_are() -> None:
    (totals,) = resampled_totals([np.ones((37, 1))], resamples=200, key=[0])
    assert (totals == 37).all()


def test_the_interval_of_a_difference_is_the_normal_one() -> None:
    one, two = paired(shift=0.1)
    ones, twos = resampled_totals([one, two], resamples=20_000, key=[0])
    low, high = interval((ones - twos)[:, 0] / SIZE)
    error = (one - two).std() / math.sqrt(SIZE)
    assert low == pytest.approx(0.1 - 1.96 * error, abs=0.05 * error)
    assert high == pytest.approx(0.1 + 1.96 * error, abs=0.05 * error)


@pytest.mark.parametrize("z", [0.0, 0.5, 1.5, -2.0, 2.5])
def test_the_p_value_is_the_normal_one(z: float) -> None:
    one, two = paired(shift=z / math.sqrt(SIZE))
    ones, twos = resampled_totals([one, two], resamples=20_000, key=[1])
    assert p_value((ones - twos)[:, 0]) == pytest.approx(normal_p(z), abs=0.02)


def test_the_p_value_is_never_zero_and_counts_ties_on_both_sides() -> None:
    assert p_value(np.full(999, 1.0)) == 2 / 1000
    assert p_value(np.full(999, -1.0)) == 2 / 1000
    assert p_value(np.zeros(999)) == 1.0
    assert p_value(np.array([0.0] * 9 + [1.0] * 90)) == pytest.approx(2 * 10 / 100)


def test_pairs_see_the_same_rows() -> None:
    rows = np.arange(50, dtype=np.float64)[:, None]
    ones, twos = resampled_totals([rows, 2 * rows], resamples=100, key=[0])
    np.testing.assert_array_equal(2 * ones, twos)


def test_draws_do_not_depend_on_how_many_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).integers(0, 9, size=(40, 3)).astype(float)
    (whole,) = resampled_totals([values], resamples=100, key=[5])
    monkeypatch.setattr("xlmerge.scores.bootstrap._ENTRIES", 40 * 7)
    (pieces,) = resampled_totals([values], resamples=100, key=[5])
    np.testing.assert_array_equal(whole, pieces)
