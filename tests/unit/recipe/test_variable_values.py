"""Numbers as values of variables: what they are called, and that they stay numbers."""

from __future__ import annotations

from typing import Any

import pytest

from xlmerge.recipe import ExpandedEvaluate, ExpandedTrain, recipe_from_text
from xlmerge.recipe.variable_values import NumberValue, number_name

RECIPE = """\
version: 1
base_model: xlm-roberta-base
adapters: {made: adapters/rate-<rate>}
datasets: {reviews: data/reviews}
steps:
  tuned:
    for_each: {rate: [5e-4, 0.001, 0.25, 2, 3.0], seed: [0, 1]}
    train: task_adapter
    task: sorting
    data: reviews
    with: {learning_rate: <rate>, note: at <rate>, seed: <seed>}
  scores:
    evaluate: sorting
    for_each: {rate: [1.0e-3, 0.00050], seed: [0, 1]}
    data: reviews
    rows:
      trained: tuned
      given: made
      one: tuned/25e-2
"""


def steps_of(text: str) -> dict[str, Any]:
    return {step.name: step for step in recipe_from_text(text, "r.yaml").expansion.steps}


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (0.001, "1e-3"),
        (0.0005, "5e-4"),
        (2.5e-05, "25e-6"),
        (0.25, "25e-2"),
        (0.1 + 0.2, "30000000000000004e-17"),
        (-1.5, "-15e-1"),
        (2.0, "2"),
        (2e5, "200000"),
        (3e12, "3e12"),
        (1.5e300, "15e299"),
        (5e-324, "5e-324"),
        (0.0, "0"),
    ],
)
def test_the_name_of_a_number_is_the_number_without_a_point(value: float, name: str) -> None:
    assert number_name(value) == str(NumberValue(value)) == name
    assert float(name) == value


def test_numbers_name_instances_and_fill_options() -> None:
    steps = steps_of(RECIPE)
    names = [name for name in steps if name.startswith("tuned/")]
    assert names == [f"tuned/{r}/{s}" for r in ("5e-4", "1e-3", "25e-2", "2", "3") for s in (0, 1)]
    for name, rate in {"tuned/5e-4/0": 0.0005, "tuned/25e-2/1": 0.25, "tuned/2/0": 2}.items():
        step = steps[name]
        assert isinstance(step, ExpandedTrain)
        assert step.values["learning_rate"] == rate
        assert type(step.values["learning_rate"]) is type(rate)
        assert step.values["note"] == f"at {name.split('/')[1]}"


def test_tables_have_a_column_for_each_number() -> None:
    table = steps_of(RECIPE)["scores"]
    assert isinstance(table, ExpandedEvaluate)
    assert list(dict.fromkeys(cell.column for cell in table.cells)) == ["1e-3", "5e-4"]
    trees = {(c.row, c.column, c.seed): c.tree.name for c in table.cells}
    assert trees["trained", "5e-4", "1"] == "tuned/5e-4/1"
    assert trees["given", "1e-3", "0"] == "made/1e-3"
    assert trees["one", "1e-3", "0"] == "tuned/25e-2/0"
