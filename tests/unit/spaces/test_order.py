"""The k-th largest magnitude and the median are exact, whatever the values and the parts."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from xlmerge.errors import SpaceError
from xlmerge.spaces import kth_largest_magnitude, kth_largest_of, median

FEW_VALUES = st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-30, 3e38, -2.5])
ANY_VALUE = st.floats(width=32, allow_nan=False)


def magnitudes(values: np.ndarray) -> list[float]:
    return sorted(np.abs(values.astype(np.float64)).ravel().tolist(), reverse=True)


@given(
    values=arrays.arrays(np.float32, st.integers(1, 300), elements=FEW_VALUES | ANY_VALUE),
    share=st.floats(0, 1),
    pieces=st.integers(1, 5),
    room=st.integers(1, 40),
)
def test_kth_is_that_of_the_sorted(
    values: np.ndarray, share: float, pieces: int, room: int
) -> None:
    kept = max(1, round(share * values.size))
    parts = np.array_split(values, pieces)
    found = kth_largest_magnitude(lambda: iter(parts), kept, room=room)
    assert found == magnitudes(values)[kept - 1]


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(20_000),
        np.full(20_000, -3.0),
        np.arange(20_000.0),
        np.arange(20_000.0)[::-1],
        np.repeat([0.0, 1.0], 10_000),
        np.tile([0.0, 1.0, 2.0], 7_000),
        np.concatenate([np.zeros(19_990), np.arange(10.0)]),
        np.exp(np.random.default_rng(0).standard_normal(20_000) * 20),
        np.where(np.arange(20_020) % 13, 1.0, 1e6 + np.arange(20_020)),  # the sample's own rhythm
        np.where(np.arange(20_000) % 5, np.inf, 0.0),
    ],
    ids=["zeros", "equal", "up", "down", "two", "three", "few", "wide", "rhythm", "infinite"],
)
def test_kth_ends_with_a_small_room(values: np.ndarray) -> None:
    passes = 0

    def parts() -> list[np.ndarray]:
        nonlocal passes
        passes += 1
        return np.array_split(values, 3)

    expected = magnitudes(values)
    for kept in (1, 2, 9, 1_000, values.size // 2, values.size - 1, values.size):
        passes = 0
        assert kth_largest_magnitude(parts, kept, room=500) == expected[kept - 1]
        assert passes <= 16  # 4 or fewer but for the planted rhythm


def test_kth_takes_one_pass_if_everything_fits_and_two_if_the_sample_is_good() -> None:
    values = np.random.default_rng(1).standard_normal(400_000).astype(np.float32)
    passes = 0

    def parts() -> list[np.ndarray]:
        nonlocal passes
        passes += 1
        return [values]

    expected = magnitudes(values)
    assert kth_largest_magnitude(parts, 80_000) == expected[79_999]
    assert passes == 1
    assert kth_largest_magnitude(parts, 80_000, room=1 << 16) == expected[79_999]
    assert passes == 3
    assert kth_largest_of(values.reshape(400, 1000), 80_000) == expected[79_999]


def test_kth_of_several_dtypes_at_once() -> None:
    parts = [np.asarray([0.1, 0.3], np.float32), np.asarray([0.1, 0.2])]
    assert kth_largest_magnitude(lambda: parts, 3) == float(np.float32(0.1))
    assert kth_largest_magnitude(lambda: parts, 4) == 0.1


@pytest.mark.parametrize("kept", [-1, 0, 4])
def test_kth_refuses_a_rank_that_does_not_exist(kept: int) -> None:
    with pytest.raises(SpaceError, match=f"from 1 to 3, found {kept}"):
        kth_largest_of(np.ones(3), kept)


def test_kth_refuses_what_is_not_a_number() -> None:
    with pytest.raises(SpaceError, match="1 entries are not a number"):
        kth_largest_of(np.asarray([1.0, np.nan]), 1)


@given(arrays.arrays(np.float64, st.integers(1, 30), elements=st.floats(-1e300, 1e300)))
def test_median_is_numpys(values: np.ndarray) -> None:
    assert median(values) == pytest.approx(float(np.median(values)), rel=1e-15)


@pytest.mark.parametrize(
    ("values", "expected"), [([3, 1], 2), ([5, 1, 2], 2), ([[4, 1], [2, 8]], 3)]
)
def test_median_is_the_same_in_every_library(library: str, values: list, expected: float) -> None:
    xp = importlib.import_module(library)
    assert median(xp.asarray(values, dtype=xp.float32)) == expected


def test_median_of_nothing_is_refused() -> None:
    with pytest.raises(SpaceError, match="without entries"):
        median(np.zeros(0))
