"""The files of a table."""

from __future__ import annotations

import csv
import io
import json

import pytest

from xlmerge.scores import Measured, Table, score_table, to_csv, to_json, to_markdown, to_text

from .systems import measured


def example() -> Table:
    """Half right against three quarters right and nearly always right, on two languages."""
    return score_table(
        [
            measured("task only", [1, 0, 1, 0] * 25, seed="0"),
            measured("task only", [1, 0, 0, 0] * 25, seed="1"),
            measured("bridge", [1, 1, 1, 0] * 25, seed="0"),
            measured("task only", [0, 1, 0, 1] * 25, column="bbc", seed="0"),
            measured("task only", [0, 1, 0, 1] * 25, column="bbc", seed="1"),
            measured("bridge", [0, 1, 0, 1] * 25, column="bbc", seed="0"),
            measured("a|b", [0, 0, 0, 1] * 25, column="bbc", seed="0"),
        ],
        metric="accuracy",
        resamples=200,
    )


def test_markdown() -> None:
    lines = to_markdown(example()).splitlines()
    assert lines[:5] == [
        "|  | mad | bbc | average |",
        "| --- | ---: | ---: | ---: |",
        "| task only | 37.5 ± 17.7 | **50.0 ± 0.0** | 43.8 ± 8.8 |",
        "| bridge | **75.0 ± n/a**\\* | **50.0 ± n/a** | **62.5 ± n/a**\\* |",
        "| a\\|b | – | 25.0 ± n/a\\* | – |",
    ]
    assert lines[5] == ""
    caption = lines[6]
    for part in (
        "accuracy (higher is better), mean ± standard deviation over 1 to 2 seeds.",
        "Each test set has 100 rows.",
        "n/a: one seed has no standard deviation.",
        "Bold: the best of a column.",
        "\\*: differs from 'task only'",
        "95 % interval of the difference excludes 0 (paired bootstrap over test rows, 200 samples",
        "–: not measured.",
    ):
        assert part in caption
    assert "parallel" not in caption


def test_text() -> None:
    lines = to_text(example()).splitlines()
    assert lines[:4] == [
        "                    mad          bbc      average",
        "task only  37.5 ± 17.7   50.0 ± 0.0   43.8 ± 8.8",
        "bridge      75.0 ± n/a*  50.0 ± n/a   62.5 ± n/a*",
        "a|b                  –   25.0 ± n/a*           –",
    ]
    assert "Bold" not in "".join(lines[5:])
    assert max(map(len, lines)) <= 100


def test_rich() -> None:
    console = pytest.importorskip("rich.console")
    from xlmerge.scores import rich_table

    out = console.Console(
        file=io.StringIO(), width=120, color_system="standard", force_terminal=True
    )
    out.print(rich_table(example()))
    shown = out.file.getvalue()
    assert "75.0 ± n/a*" in shown
    assert "\x1b[1m 50.0 ± 0.0" in shown  # bold
    assert "\x1b[1m 37.5" not in shown


def test_json_holds_everything() -> None:
    document = json.loads(to_json(example()))
    assert document["metric"] == "accuracy"
    assert document["baseline"] == "task only"
    assert document["bootstrap"]["resamples"] == 200
    cells = {(each["row"], each["column"]): each for each in document["scores"]}
    assert ("a|b", "mad") not in cells
    assert cells["task only", "mad"]["seeds"] == {"0": 50.0, "1": 25.0}
    assert cells["task only", "mad"]["test_rows"] == 100
    assert cells["bridge", "mad"]["sd"] is None
    difference = cells["bridge", "mad"]["difference"]
    assert (difference["value"], difference["pairs"]) == (25.0, 1)
    assert difference["low"] > 0
    assert difference["p"] == pytest.approx(2 / 201)
    assert [each["row"] for each in document["averages"]] == ["task only", "bridge"]


def test_csv_is_tidy() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(example()))))
    assert len(rows) == 7
    assert rows[0] == {
        "row": "task only",
        "column": "mad",
        "seed": "0",
        "metric": "accuracy",
        "score": "50.0",
        "test_rows": "100",
    }


def test_less_can_be_better_and_small_numbers_have_more_digits() -> None:
    def loss(totals: object) -> object:
        return totals[..., 0] / totals[..., 1]  # type: ignore[index]

    cells = [measured("a", [2.5, 2.0], metric=loss), measured("b", [1.0, 1.5], metric=loss)]
    lines = to_markdown(score_table(cells, metric="loss", greater_is_better=False)).splitlines()
    assert lines[2].startswith("| a | 2.250 |")
    assert "**1.250**" in lines[3]


def test_a_single_column_without_a_name_bears_the_metric() -> None:
    lines = to_markdown(_single()).splitlines()
    assert lines[0] == "|  | accuracy |"
    assert lines[2] == "| a | 50.0 |"  # nothing to be best of
    assert "bootstrap" not in lines[4]


def _single() -> Table:
    cell: Measured = measured("a", [1, 0], column="")
    return score_table([cell], metric="accuracy")


def test_parallel_columns_are_said_to_be() -> None:
    cells = [measured("a", [1, 0], column=column) for column in ("mad", "bbc")]
    text = to_text(score_table(cells, metric="accuracy", parallel=True))
    assert "The test sets are parallel" in " ".join(text.split())


def test_numpy_is_not_needed_to_import_it() -> None:
    import subprocess
    import sys

    code = "import sys, xlmerge.scores; sys.exit('numpy' in sys.modules or 'rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
