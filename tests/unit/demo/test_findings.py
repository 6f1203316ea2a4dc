"""What is said follows from the numbers, whichever way they fall."""

from __future__ import annotations

from typing import Any

import pytest

from xlmerge.demo.findings import findings
from xlmerge.demo.recipe import BASELINE, HALF, NONE, OWN


def score(row: str, seeds: list[float], difference: Any = None) -> dict[str, Any]:
    return {
        "row": row,
        "column": "hsb",
        "mean": sum(seeds) / len(seeds),
        "seeds": {str(number): value for number, value in enumerate(seeds)},
        "test_rows": 336,
        "difference": difference,
    }


def table(
    own: list[float], interval: tuple[float, float], *, half: float = 55.0, none: float = 50.0
) -> dict[str, Any]:
    source = [50.0, 60.0, 52.0]
    value = sum(own) / len(own) - sum(source) / len(source)
    difference = {"value": value, "low": interval[0], "high": interval[1], "p": 0.5, "pairs": 3}
    return {
        "columns": ["hsb"],
        "scores": [
            score(NONE, [none]),
            score(BASELINE, source),
            score(HALF, [half]),
            score(OWN, own, difference),
        ],
    }


@pytest.mark.parametrize(
    ("own", "interval", "words"),
    [
        ([60.0, 65.0, 62.0], (3.0, 14.0), "in 3 of 3 seeds; mean difference +8.3"),
        ([60.0, 65.0, 62.0], (3.0, 14.0), "95 % interval +3.0 to +14.0: a gain"),
        ([60.0, 55.0, 62.0], (-1.0, 9.0), "in 2 of 3 seeds"),
        ([60.0, 55.0, 62.0], (-1.0, 9.0), "undecided"),
        ([40.0, 60.0, 42.0], (-12.0, -2.0), "in 0 of 3 seeds"),
        ([40.0, 60.0, 42.0], (-12.0, -2.0), "-12.0 to -2.0: a loss"),
    ],
)
def test_the_swap(own: list[float], interval: tuple[float, float], words: str) -> None:
    assert words in findings(table(own, interval), [])[0]


@pytest.mark.parametrize(
    ("half", "words"),
    [(70.0, "better than both"), (57.0, "between them"), (10.0, "worse than both")],
)
def test_arithmetic(half: float, words: str) -> None:
    said = findings(table([60.0, 65.0, 62.0], (3.0, 14.0), half=half), [])[1]
    assert f"{words} for hsb" in said


@pytest.mark.parametrize(("none", "words"), [(50.0, "+12.3 for hsb"), (70.0, "-7.7 for hsb")])
def test_without_a_language_adapter(none: float, words: str) -> None:
    said = findings(table([60.0, 65.0, 62.0], (3.0, 14.0), none=none), [])[2]
    assert words in said


@pytest.mark.parametrize(("read", "words"), [(["cs", "hsb"], "read by"), (["cs"], "new to")])
def test_what_the_base_model_has_read(read: list[str], words: str) -> None:
    assert f"hsb ({words} the base model)" in findings(table([60.0] * 3, (1.0, 2.0)), read)[0]


def test_the_limits_are_told() -> None:
    said = findings(table([60.0] * 3, (1.0, 2.0)), [])[-1]
    assert "3 seeds" in said
    assert "336 short phrases" in said
