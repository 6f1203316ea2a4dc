"""Planning an evaluation, and the compositions it scores."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import xlmerge
from builders import make
from builders.live import live_problems, live_registry, make_data, write_live_recipe
from xlmerge.plan import EvaluateStepPlan

if TYPE_CHECKING:
    from pathlib import Path

# `two` has a head, `one` has none.
STEP: dict[str, Any] = {"evaluate": "guess", "data": "data", "compose": "two"}


def planned(folder: Path, step: dict[str, Any], **more: Any) -> EvaluateStepPlan:
    recipe = write_live_recipe(folder, {"out": step}, **more)
    [plan] = xlmerge.check(recipe, registry=live_registry()).plans
    assert isinstance(plan, EvaluateStepPlan)
    return plan


def one_problem(folder: Path, step: dict[str, Any], *words: str, **more: Any) -> None:
    found = live_problems(write_live_recipe(folder, {"out": step}, **more))
    assert len(found) == 1, found
    for word in ("recipe.yaml:", *words):
        assert word in found[0], found[0]


def test_defaults(tmp_path: Path) -> None:
    plan = planned(tmp_path, STEP)
    assert (plan.batch_size, plan.bootstrap, plan.seed) == (32, 1000, 0)
    assert (plan.split, plan.baseline, plan.task_options) == ("test", "two", {"max_length": 16})
    assert json.loads(json.dumps(plan.describe())) == plan.describe()


def test_the_longest_input_replaces_the_task_s(tmp_path: Path) -> None:
    step = {**STEP, "evaluate": {"guess": {"max_length": 20}}}
    assert planned(tmp_path, step).task_options == {"max_length": 20}
    assert planned(tmp_path, {**step, "with": {"max_length": 9}}).task_options == {"max_length": 9}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"evaluate": "gess"}, ["no task 'gess'", "did you mean 'guess'"]),
        ({"evaluate": {"guess": {"x": 1}}}, ["guess has no parameter `x`", "max_length"]),
        ({"with": {"batch": 3}}, ["no parameter `batch`", "did you mean `batch_size`"]),
        ({"with": {"batch_size": 0}}, ["at least 1"]),
        ({"with": {"bootstrap": 1.5}}, ["whole number", "1.5"]),
        (
            {"evaluate": "reading", "with": {"max_length": 9}},
            ["reading has no option `max_length`"],
        ),
        ({"split": "tset"}, ["no split `tset`", "did you mean `test`", "train, validation"]),
        ({"compose": {"stack": ["two"]}}, ["stack takes at least 2 children", "found 1"]),
        ({"compose": {"stac": ["one", "two"]}}, ["'stac'", "did you mean 'stack'"]),
        (
            {"compose": {"mix": ["one", "two"]}},
            ["mix needs a weight for every child", "weights: [0.5, 0.5]"],
        ),
        (
            {"compose": {"stack": ["one", "two"], "weights": [1, 2]}},
            ["stack takes no weights"],
        ),
        (
            {"compose": {"mix": {"one": 1, "two": 2}, "with": {"mod": "fast"}}},
            ["no parameter `mod`", "did you mean `mode`"],
        ),
        (
            {"compose": {"mix": {"one": 1, "two": 2}, "with": {"mode": "slow"}}},
            ["fast, exact", "'slow'"],
        ),
        ({"compose": {"split": ["one", "two"]}}, ["split takes its adapters by role", "first"]),
        ({"compose": {"split": {"second": "two"}}}, ["needs the role `first`", "the first half"]),
        (
            {"compose": {"split": {"first": "two", "secnd": "one"}}},
            ["no role `secnd`", "did you mean `second`"],
        ),
        (
            {"compose": {"stack": {"first": "one", "last": "two"}}},
            ["stack takes a list", "first, last"],
        ),
        (
            {"compose": {"stack": ["one", {"vote": ["two", "two"]}]}},
            ["vote", "outermost only"],
        ),
        ({"compose": "one"}, ["no adapter of", "has a prediction head", "one"]),
        ({"compose": {"vote": ["two", "one"]}}, ["has a prediction head: one"]),
    ],
    ids=str,
)
def test_problems(tmp_path: Path, change: dict[str, Any], words: list[str]) -> None:
    one_problem(tmp_path, {**STEP, **change}, *words)


def test_what_a_rule_takes(tmp_path: Path) -> None:
    step = {
        "evaluate": "guess",
        "data": "data",
        "rows": {
            "mixed": {"mix": {"one": 0.5, "two": 0.5}, "with": {"mode": "fast"}},
            "halves": {"split": {"first": "two"}},
            "together": {"vote": ["two", {"stack": ["one", "two"]}], "weights": [1, 2]},
        },
        "baseline": "halves",
    }
    plan = planned(tmp_path, step)
    assert sorted(plan.rules) == ["mix", "split", "stack", "vote"]
    assert (plan.rows, plan.baseline) == (("mixed", "halves", "together"), "halves")
    assert plan.needs == ("one", "two")


def test_a_task_without_classes_may_need_no_head(tmp_path: Path) -> None:
    assert planned(tmp_path, {**STEP, "evaluate": "reading", "compose": "one"}).cells


HEADS: dict[str, Any] = {"apart": {"path": "./two", "task": "guess", "labels": ["a", "b"]}}


class TestHeads:
    def test_a_head_that_lies_apart(self, tmp_path: Path) -> None:
        step = {**STEP, "compose": "one", "head": "apart"}
        plan = planned(tmp_path, step, heads=HEADS)
        assert plan.describe()["cells"][0]["head"]["labels"] == ["a", "b"]

    def test_for_another_task(self, tmp_path: Path) -> None:
        heads = {"apart": {**HEADS["apart"], "task": "reading"}}
        step = {**STEP, "head": "apart"}
        one_problem(tmp_path, step, "`apart` is for `reading`", heads=heads)

    def test_that_is_not_there(self, tmp_path: Path) -> None:
        heads = {"apart": {**HEADS["apart"], "path": "./tow"}}
        one_problem(tmp_path, {**STEP, "head": "apart"}, "head apart", "two", heads=heads)


class TestLibraries:
    def test_one_model_holds_adapters_of_one(self, tmp_path: Path) -> None:
        make(tmp_path / "lora", "peft_lora", base_model="./base", labels=2)
        adapters = {"one": "./one", "lora": "./lora"}
        mixed = {**STEP, "compose": {"stack": ["one", "lora"]}}
        one_problem(tmp_path, mixed, "one is of adapters and lora is of peft", adapters=adapters)

    def test_side_by_side_there_may_be_both(self, tmp_path: Path) -> None:
        make(tmp_path / "lora", "peft_lora", base_model="./base", labels=2)
        adapters = {"two": "./two", "lora": "./lora"}
        assert planned(tmp_path, {**STEP, "compose": {"vote": ["two", "lora"]}}, adapters=adapters)


class TestCells:
    def test_seeds_and_columns(self, tmp_path: Path) -> None:
        for seed in "01":
            make(tmp_path / f"a{seed}", "seq_bn", base_model="./base", labels=2)
        step = {
            "for_each": {"part": ["x", "y"], "seed": [0, 1]},
            "evaluate": "guess",
            "data": "texts",
            "rows": {"first": "a", "second": {"stack": ["one", "a"]}},
        }
        for part in "xy":
            make_data(tmp_path / part)
        plan = planned(
            tmp_path,
            step,
            adapters={"one": "./one", "a": "./a<seed>"},
            datasets={"texts": "./<part>"},
        )
        assert plan.columns == ("part",)
        assert len(plan.cells) == 8
        assert sorted(plan.needs) == ["a/0", "a/1", "one"]
        assert {(cell.column, cell.seed) for cell in plan.cells} == {
            (part, seed) for part in "xy" for seed in "01"
        }

    def test_a_problem_of_all_cells_is_told_once(self, tmp_path: Path) -> None:
        step = {
            "for_each": {"seed": [0, 1, 2]},
            **STEP,
            "compose": {"stak": ["one", "a"]},
        }
        for seed in "012":
            make(tmp_path / f"a{seed}", "seq_bn", base_model="./base", labels=2)
        adapters = {"one": "./one", "a": "./a<seed>"}
        one_problem(tmp_path, step, "'stak'", adapters=adapters)
