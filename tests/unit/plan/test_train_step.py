"""Planning a training: every kind of problem, with what, where, expected, found, next step."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

import xlmerge
from builders import make
from builders.live import live_problems, live_registry, make_base, make_data, write_live_recipe
from xlmerge.plan import TrainStepPlan

if TYPE_CHECKING:
    from pathlib import Path

STEP: dict[str, Any] = {"train": "fake", "task": "guess", "data": "data"}


def planned(folder: Path, step: dict[str, Any], **more: Any) -> TrainStepPlan:
    recipe = write_live_recipe(folder, {"out": step}, **more)
    [plan] = xlmerge.check(recipe, registry=live_registry()).plans
    assert isinstance(plan, TrainStepPlan)
    return plan


def one_problem(folder: Path, step: dict[str, Any], *words: str, **more: Any) -> None:
    found = live_problems(write_live_recipe(folder, {"out": step}, **more))
    assert len(found) == 1, found
    for word in ("recipe.yaml:", *words):
        assert word in found[0], found[0]


def test_defaults_are_filled_in(tmp_path: Path) -> None:
    plan = planned(tmp_path, STEP)
    assert plan.parameters == {"steps": 10, "schedule": "linear"}
    assert plan.task_options == {"max_length": 16}
    assert (plan.seed, plan.device, plan.dtype) == (0, None, "float32")
    assert plan.adapter is not None
    assert plan.adapter.name == "seq_bn"
    assert plan.adapter.fields["reduction_factor"] == 16
    assert sorted(plan.data) == ["train", "validation"]


def test_what_is_said_counts(tmp_path: Path) -> None:
    step = {
        **STEP,
        "task": {"guess": {"max_length": 8}},
        "adapter": {"config": "seq_bn_inv", "reduction_factor": 4},
        "on": {"stack": ["one", "two"]},
        "with": {"steps": 3, "seed": 7, "device": "cpu", "dtype": "bfloat16"},
    }
    plan = planned(tmp_path, step)
    assert plan.parameters == {"steps": 3, "schedule": "linear"}
    assert plan.task_options == {"max_length": 8}
    assert (plan.seed, plan.device, plan.dtype) == (7, "cpu", "bfloat16")
    assert plan.adapter is not None
    assert (plan.adapter.fields["inv_adapter"], plan.adapter.fields["reduction_factor"]) == (
        "nice",
        4,
    )
    assert plan.needs == ("one", "two")
    assert list(plan.rules) == ["stack"]


def test_a_description_is_plain_data_without_the_device(tmp_path: Path) -> None:
    described = planned(tmp_path, {**STEP, "on": "one", "with": {"device": "cpu"}}).describe()
    assert json.loads(json.dumps(described)) == described
    assert described["on"] == "one"
    assert "device" not in described["parameters"]
    assert described["parameters"]["seed"] == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"train": "fakke"}, ["no trainer 'fakke'", "did you mean 'fake'"]),
        ({"task": "gues"}, ["no task 'gues'", "did you mean 'guess'"]),
        ({"task": ...}, ["fake needs a task", "guess"]),
        ({"task": {"guess": {"max_lenght": 8}}}, ["`max_lenght`", "did you mean `max_length`"]),
        ({"task": {"guess": {"max_length": 1}}}, ["at least 2", "found 1"]),
        ({"with": {"step": 3}}, ["no parameter `step`", "did you mean `steps`", "seed"]),
        ({"with": {"steps": "many"}}, ["whole number", "'many'"]),
        ({"with": {"steps": 0}}, ["at least 1", "found 0"]),
        ({"with": {"schedule": "cosine"}}, ["linear, constant", "'cosine'"]),
        ({"with": {"seed": -1}}, ["`seed`", "at least 0"]),
        ({"with": {"dtype": "int8"}}, ["`dtype`", "float32, float64, bfloat16, float16"]),
        ({"with": {"device": 0}}, ["`device`", "text"]),
        ({"adapter": "seq_bm"}, ["no adapter configuration 'seq_bm'", "did you mean `seq_bn`"]),
        ({"adapter": {"config": "x"}}, ["no adapter configuration 'x'", "seq_bn_inv"]),
        (
            {"adapter": {"config": "seq_bn", "reduction_facto": 2}},
            ["no field `reduction_facto`", "did you mean `reduction_factor`"],
        ),
        (
            {"adapter": {"config": "seq_bn", "reduction_factor": "two"}},
            ["`reduction_factor`", "number", "'two'"],
        ),
        (
            {"adapter": {"config": "seq_bn", "ln_before": 1}},
            ["`ln_before`", "truth value", "found 1"],
        ),
        ({"adapter": {"config": "seq_bn", "non_linearity": 3}}, ["`non_linearity`", "text"]),
        ({"data": {"training": "data"}}, ["no data role `training`", "did you mean `train`"]),
        ({"data": {"train": ["data", "more"]}}, ["one data set for `train`", "found 2"]),
        ({"data": {"train": {"data": 0.5}}}, ["takes no sampling weight for `train`"]),
        ({"data": {"validation": "data"}}, ["needs data for `train`", "what it looks at"]),
    ],
    ids=str,
)
def test_problems(tmp_path: Path, change: dict[str, Any], words: list[str]) -> None:
    step = {key: value for key, value in {**STEP, **change}.items() if value is not ...}
    make_data(tmp_path / "more")
    datasets = {"data": "./data", "more": "./more"}
    found = live_problems(write_live_recipe(tmp_path, {"out": step}, datasets=datasets))
    told = [problem for problem in found if all(word in problem for word in words)]
    assert told, found
    assert "recipe.yaml:" in told[0]
    rest = [problem for problem in found if problem not in told]
    assert all("needs data for `train`" in problem for problem in rest), rest


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    step = {
        "train": "fake",
        "task": "gues",
        "data": {"trian": "data"},
        "adapter": "none",
        "on": {"stak": ["one", "two"]},
        "with": {"stepz": 1, "seed": "a"},
    }
    found = live_problems(write_live_recipe(tmp_path, {"out": step}, base_model="./nothing/here"))
    text = "\n".join(found)
    for word in ("gues", "trian", "'none'", "stak", "stepz", "`seed`", "./nothing/here"):
        assert word in text


class TestTasks:
    def test_a_trainer_of_one_task_refuses_another(self, tmp_path: Path) -> None:
        step = {"train": "reader", "task": "guess", "data": "data", "with": {"rate": 0.1}}
        one_problem(tmp_path, step, "reader trains on the task `reading`", "`guess`")

    def test_required_parameters(self, tmp_path: Path) -> None:
        step = {"train": "reader", "data": "data"}
        one_problem(tmp_path, step, "reader needs `rate`", "above 0")


class TestStacks:
    def test_only_where_the_trainer_takes_one(self, tmp_path: Path) -> None:
        step = {"train": "reader", "data": "data", "on": "one", "with": {"rate": 0.1}}
        one_problem(tmp_path, step, "reader trains on the base model alone")

    def test_nothing_is_trained_on_whole_models(self, tmp_path: Path) -> None:
        step = {**STEP, "on": {"vote": ["one", "two"]}}
        one_problem(tmp_path, step, "vote", "nothing can be trained on top")

    def test_adapters_of_peft_do_not_lie_beneath(self, tmp_path: Path) -> None:
        make(tmp_path / "lora", "peft_lora", base_model="./base")
        step = {**STEP, "on": "lora"}
        one_problem(tmp_path, step, "lora is of peft", adapters={"lora": "./lora"})


class TestCompositionsInTurn:
    STEP: ClassVar = {
        "train": "each",
        "task": "guess",
        "data": {"train": ["data", "more"]},
        "on": ["one", {"stack": ["one", "two"]}],
    }

    def test_one_for_each_data_set(self, tmp_path: Path) -> None:
        make_data(tmp_path / "more")
        plan = planned(tmp_path, self.STEP, datasets={"data": "./data", "more": "./more"})
        assert plan.stacked_on is None
        assert plan.needs == ("one", "two")
        assert plan.describe()["on"] == ["one", {"stack": ["one", "two"]}]

    def test_their_number_has_to_match(self, tmp_path: Path) -> None:
        step = {**self.STEP, "data": {"train": ["data"]}}
        one_problem(tmp_path, step, "lists 2 compositions", "1 data sets for `train`")

    def test_only_where_the_trainer_takes_them(self, tmp_path: Path) -> None:
        one_problem(tmp_path, {**STEP, "on": ["one", "two"]}, "fake trains on one composition")


class TestData:
    def test_sampling_weights(self, tmp_path: Path) -> None:
        make_data(tmp_path / "more")
        datasets = {"data": "./data", "more": "./more"}
        step = {
            "train": "reader",
            "data": {"train": {"data": 1, "more": 0.5}},
            "with": {"rate": 0.1},
        }
        plan = planned(tmp_path, step, datasets=datasets)
        assert [(r.name, w) for r, w in plan.data["train"]] == [("data", 1.0), ("more", 0.5)]

    @pytest.mark.parametrize("weight", [0, -1])
    def test_a_weight_of_nothing(self, tmp_path: Path, weight: float) -> None:
        step = {"train": "reader", "data": {"train": {"data": weight}}, "with": {"rate": 0.1}}
        one_problem(tmp_path, step, "above 0", str(weight))

    def test_a_split_that_is_not_there_is_left_out_if_it_may_be(self, tmp_path: Path) -> None:
        make_data(tmp_path / "small", splits=("train", "test"))
        plan = planned(tmp_path, STEP, datasets={"data": "./small"})
        assert list(plan.data) == ["train"]
        assert not plan.if_present

    def test_what_is_on_the_hub_is_found_out_later(self, tmp_path: Path) -> None:
        plan = planned(tmp_path, STEP, datasets={"data": "someone/somewhere"})
        assert list(plan.data) == ["train", "validation"]
        assert plan.if_present == {"validation"}

    @pytest.mark.parametrize("path", ["./daat", "data/train.cvs", "/no/such/folder", "base/x"])
    def test_a_local_path_that_is_not_there(self, tmp_path: Path, path: str) -> None:
        one_problem(tmp_path, STEP, path.strip("./"), datasets={"data": path})

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        datasets = {"data": {"path": "./data", "files": {"train": "trian.csv"}}}
        one_problem(tmp_path, STEP, "trian.csv", "train.csv", datasets=datasets)


class TestBaseModel:
    def test_it_has_to_be_named(self, tmp_path: Path) -> None:
        one_problem(tmp_path, STEP, "no base model is named", "base_model: NAME", base_model=None)

    @pytest.mark.parametrize("name", ["./bas", "/no/model"])
    def test_it_has_to_be_there(self, tmp_path: Path, name: str) -> None:
        one_problem(tmp_path, STEP, "base model", name.strip("./"), base_model=name)

    def test_a_folder_without_a_model(self, tmp_path: Path) -> None:
        one_problem(tmp_path, STEP, "config.json", "train.csv", base_model="./data")

    def test_a_hub_id_is_not_looked_up(self, tmp_path: Path) -> None:
        plan = planned(tmp_path, STEP, base_model="someone/model@abc")
        assert (plan.base.name, plan.base.path, plan.base.revision) == (
            "someone/model",
            None,
            "abc",
        )

    @pytest.mark.parametrize(
        ("config", "words"),
        [
            ({"hidden_size": 16}, ["one is for a model of hidden size 8", "16"]),
            ({"model_type": "bert"}, ["one is for a model of type xlm-roberta", "bert"]),
            ({"num_hidden_layers": 1}, ["one has parameters in layer 1", "1 layers"]),
        ],
        ids=str,
    )
    def test_an_adapter_of_another_model(
        self, tmp_path: Path, config: dict[str, Any], words: list[str]
    ) -> None:
        make_base(tmp_path / "other" / "base", **config)
        step = {**STEP, "on": "one"}
        one_problem(tmp_path, step, *words, base_model="./other/base", adapters={"one": "./one"})

    def test_an_adapter_of_a_model_of_another_name(self, tmp_path: Path) -> None:
        make_base(tmp_path / "other")
        one_problem(
            tmp_path, {**STEP, "on": "one"}, "one was trained on", "base_model_aliases",
            base_model="./other", adapters={"one": "./one"},
        )  # fmt: skip
