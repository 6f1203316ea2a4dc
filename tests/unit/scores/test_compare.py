"""From statistics to a table."""

from __future__ import annotations

import random
from dataclasses import replace
from statistics import stdev
from typing import Any

import numpy as np
import pytest

from xlmerge.errors import DataError, ParameterError
from xlmerge.scores import Measured, Table, score_table

from .systems import accuracy, answers, measured


def table(*systems: Measured, **options: Any) -> Table:
    return score_table(systems, **{"metric": "accuracy", "resamples": 500, **options})


def test_mean_and_sample_deviation_over_seeds() -> None:
    made = table(*(measured("a", [1] * n + [0] * (10 - n), seed=str(n)) for n in (5, 6, 9)))
    score = made.scores["a", "mad"]
    assert score.seeds == {"5": 50.0, "6": 60.0, "9": 90.0}
    assert score.mean == pytest.approx(200 / 3)
    assert score.sd == pytest.approx(stdev([50, 60, 90]))
    assert score.size == 10


def test_one_seed_has_no_deviation() -> None:
    assert table(measured("a", [1, 0], seed="0")).scores["a", "mad"].sd is None
    assert table(measured("a", [1, 0])).scores["a", "mad"].sd is None


def test_identical_systems_do_not_differ() -> None:
    right = answers(0.6)
    made = table(
        *(measured(row, right, column=column) for row in "ab" for column in ("mad", "bbc"))
    )
    for score in (made.scores["b", "mad"], made.scores["b", "bbc"], made.averages["b"]):
        difference = score.difference
        assert difference is not None
        assert (difference.value, difference.low, difference.high) == (0.0, 0.0, 0.0)
        assert difference.p == 1.0
        assert not difference.excludes_zero


def test_the_baseline_is_the_first_row_or_a_named_one() -> None:
    systems = [measured("a", [1, 1, 0, 0] * 20), measured("b", [1, 1, 1, 0] * 20)]
    first = table(*systems)
    assert first.baseline == "a"
    assert first.scores["a", "mad"].difference is None
    assert first.scores["b", "mad"].difference.value == pytest.approx(25.0)  # type: ignore[union-attr]
    named = table(*systems, baseline="b")
    assert named.scores["b", "mad"].difference is None
    mirrored, plain = named.scores["a", "mad"].difference, first.scores["b", "mad"].difference
    assert mirrored is not None
    assert plain is not None
    assert (mirrored.low, mirrored.high) == pytest.approx((-plain.high, -plain.low))
    assert mirrored.p == plain.p


def test_pairing_makes_the_interval_narrow() -> None:
    base = answers(0.5, size=2000)
    better = base.copy()
    better[np.flatnonzero(~base)[:20]] = True  # one per cent more, on the same rows
    paired = table(measured("a", base), measured("b", better)).scores["b", "mad"].difference
    other = answers(0.5, size=2000, seed=9)
    unpaired = table(measured("a", base), measured("b", other)).scores["b", "mad"].difference
    assert paired is not None
    assert unpaired is not None
    assert paired.excludes_zero
    assert unpaired.high - unpaired.low > 5 * (paired.high - paired.low)


def test_seeds_are_paired_by_name() -> None:
    made = table(
        measured("a", [1, 0, 0, 0], seed="0"),
        measured("a", [1, 1, 1, 1], seed="1"),
        measured("b", [1, 1, 0, 0], seed="0"),
        measured("b", [0, 0, 0, 0], seed="2"),
    )
    difference = made.scores["b", "mad"].difference
    assert difference is not None
    assert (difference.pairs, difference.value) == (1, pytest.approx(25.0))


def test_a_system_without_seeds_is_compared_with_every_seed() -> None:
    made = table(
        measured("a", [1, 0, 0, 0]),
        measured("b", [1, 1, 0, 0], seed="0"),
        measured("b", [1, 1, 1, 0], seed="1"),
    )
    difference = made.scores["b", "mad"].difference
    assert difference is not None
    assert (difference.pairs, difference.value) == (2, pytest.approx(37.5))


def test_systems_without_a_common_seed_are_not_compared() -> None:
    made = table(measured("a", [1, 0], seed="0"), measured("b", [1, 1], seed="1"))
    assert made.scores["b", "mad"].difference is None


def test_the_average_is_per_seed_and_needs_every_column() -> None:
    made = table(
        measured("a", [1, 1], seed="0", column="mad"),
        measured("a", [1, 0], seed="1", column="mad"),
        measured("a", [0, 0], seed="0", column="bbc"),
        measured("a", [1, 0], seed="1", column="bbc"),
        measured("b", [1, 0], seed="0", column="mad"),
    )
    assert made.averages.keys() == {"a"}
    assert made.averages["a"].seeds == {"0": 50.0, "1": 50.0}
    assert made.averages["a"].sd == 0.0
    assert made.averages["a"].size == 4
    assert ("b", "bbc") not in made.scores


def test_one_column_has_no_average() -> None:
    assert table(measured("a", [1, 0])).averages == {}


def test_order_changes_nothing() -> None:
    systems = [
        measured(row, answers(0.4 + 0.1 * n, size=301, seed=17 * n + s), column=column, seed=str(s))
        for n, row in enumerate("abc")
        for column in ("mad", "bbc", "sun", "jav", "min")
        for s in range(3)
    ]
    one = table(*systems, baseline="a")
    for seed in range(5):
        random.Random(seed).shuffle(systems)
        two = table(*systems, baseline="a")
        assert (one.rows, one.columns) != (two.rows, two.columns)
        assert one.scores == two.scores
        assert one.averages == two.averages


def test_a_cell_does_not_depend_on_others() -> None:
    cells = [measured("a", answers(0.5)), measured("b", answers(0.6, seed=1))]
    more = [measured("c", answers(0.7, seed=2)), measured("a", answers(0.3), column="bbc")]
    assert table(*cells, *more).scores["b", "mad"] == table(*cells).scores["b", "mad"]


def test_the_seed_decides() -> None:
    cells = [measured("a", answers(0.5)), measured("b", answers(0.6, seed=1))]
    assert table(*cells, seed=1).scores == table(*cells, seed=1).scores
    assert table(*cells, seed=1).scores != table(*cells, seed=2).scores


def test_parallel_columns_share_their_noise() -> None:
    """Nothing is gained by the second of two equal columns, unless they are drawn apart."""
    right = answers(0.5)
    cells = [measured("a", right, column=column) for column in ("mad", "bbc", "sun", "jav")]
    together = table(*cells, parallel=True, resamples=2000)
    apart = table(*cells, resamples=2000)
    one = together.scores["a", "mad"]
    assert (together.averages["a"].low, together.averages["a"].high) == (one.low, one.high)
    half = (apart.averages["a"].high - apart.averages["a"].low) / (one.high - one.low)
    assert half == pytest.approx(0.5, abs=0.05)  # 1 / sqrt(4)


def test_the_metric_is_of_sums() -> None:
    """A ratio of sums is no mean of ratios."""
    statistics = np.array([[1.0, 1.0], [0.0, 9.0]])
    cell = Measured(row="a", column="", seed=None, statistics=statistics, metric=accuracy)
    assert table(cell).scores["a", ""].mean == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("systems", "words"),
    [
        ([], "nothing was measured"),
        ([measured("a", [1, 0]), measured("a", [1, 0])], "`a` on `mad`: measured twice"),
        ([measured("a", [1, 0]), measured("b", [1])], "different rows of `mad`: 2 rows"),
        ([measured("a", [])], r"found \[0, 2\]"),
        ([measured("a", [1, float("nan")])], "not finite"),
        ([measured("a", [1, 0]), measured("a", [1, 0], seed="0")], "with a seed and without one"),
        ([replace(measured("a", [1]), statistics=np.ones(3))], r"found \[3\]"),
        ([measured("a", [1, 0], metric=lambda totals: totals[..., 0] / 0)], "metric is not finite"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_bad_statistics(systems: list[Measured], words: str) -> None:
    with pytest.raises(DataError, match=words):
        table(*systems)


def test_parallel_columns_need_the_same_rows() -> None:
    cells = [measured("a", [1, 0]), measured("a", [1], column="bbc")]
    with pytest.raises(DataError, match=r"parallel test sets .* mad 2, bbc 1"):
        table(*cells, parallel=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"baseline": "source"}, "(?s)no row `source`.*`sourse`"),
        ({"resamples": 10}, "at least 100, found 10"),
        ({"seed": -1}, "not negative, found -1"),
    ],
)
def test_bad_options(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        table(measured("sourse", [1, 0]), **options)
