"""How many singular values are kept."""

from __future__ import annotations

import math

import pytest

from xlmerge.errors import SpaceError
from xlmerge.spaces import Compression


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"rank": 1, "tolerance": 0.1},
        {"rank": 0},
        {"rank": -3},
        {"tolerance": -0.1},
        {"tolerance": 1.0},
        {"tolerance": math.nan},
        {"energy": 0.0},
        {"energy": 1.1},
        {"energy": math.nan},
    ],
)
def test_ranges(given: dict[str, float]) -> None:
    with pytest.raises(SpaceError, match="compression"):
        Compression(**given)


@pytest.mark.parametrize(
    ("compression", "kept", "discarded"),
    [
        # 3-4-12: squares 144, 16, 9 of 169
        (Compression(rank=1), 1, 5 / 13),
        (Compression(rank=2), 2, 3 / 13),
        (Compression(rank=9), 3, 0.0),
        (Compression(tolerance=0.0), 3, 0.0),
        (Compression(tolerance=0.23), 3, 0.0),
        (Compression(tolerance=0.24), 2, 3 / 13),
        (Compression(tolerance=0.39), 1, 5 / 13),
        (Compression(energy=1.0), 3, 0.0),
        (Compression(energy=0.95), 3, 0.0),
        (Compression(energy=0.94), 2, 3 / 13),
        (Compression(energy=0.85), 1, 5 / 13),
        (Compression(energy=1e-9), 1, 5 / 13),
    ],
)
def test_golden_numbers(compression: Compression, kept: int, discarded: float) -> None:
    found = compression.kept([12.0, 4.0, 3.0], floor=0.0)
    assert found == (kept, pytest.approx(discarded, rel=1e-14))


def test_rounding_errors_are_not_kept() -> None:
    values = [1.0, 0.5, 1e-17]
    assert Compression(rank=3).kept(values, floor=1e-15)[0] == 2
    assert Compression(tolerance=0.0).kept(values, floor=1e-15)[0] == 2
    assert Compression(rank=3).kept([1e-17, 1e-18], floor=1e-15) == (1, 0.0)


def test_extreme_scales_neither_overflow_nor_vanish() -> None:
    for scale in (1e-200, 1e200):
        kept, discarded = Compression(rank=1).kept([4 * scale, 3 * scale], floor=0.0)
        assert (kept, discarded) == (1, pytest.approx(0.6))
