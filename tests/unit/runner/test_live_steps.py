"""Trainings and evaluations in a run, carried out by a fake runtime."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

import xlmerge
from builders import Recorder, edit_tensors, make, snapshot
from builders.live import (
    FakeRuntime,
    live_problems,
    live_registry,
    live_run,
    make_data,
    write_live_recipe,
)
from xlmerge.checkpoint.model_card import model_card
from xlmerge.errors import HubError, RecipeError, TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TRAIN: dict[str, Any] = {
    "for_each": {"seed": [0, 1]},
    "train": "fake",
    "task": "guess",
    "on": "one",
    "data": "data",
    "with": {"seed": "<seed>"},
}
SCORES: dict[str, Any] = {
    "for_each": {"seed": [0, 1]},
    "evaluate": "guess",
    "data": "data",
    "rows": {"alone": "polarity", "stacked": {"stack": ["one", "polarity"]}},
}
MEAN: dict[str, Any] = {
    "merge": "linear",
    "adapters": {"polarity/0": 0.5, "polarity/1": 0.5},
    "heads": "mean",
}
STEPS = {"polarity": TRAIN, "mean": MEAN, "scores": SCORES}
NAMES = ["polarity/0", "polarity/1", "mean", "scores"]
KEPT = dict.fromkeys(NAMES, "up to date")


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    fake = FakeRuntime()
    fake.install(monkeypatch)
    return fake


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return write_live_recipe(tmp_path, STEPS, adapters={"one": "./one"})


def record(recipe: Path, step: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(
        (recipe.parent / "recipe" / step / "xlmerge.json").read_text(encoding="utf-8")
    )
    return content


class TestARun:
    def test_everything_is_done_in_order(self, recipe: Path, runtime: FakeRuntime) -> None:
        heard = live_run(recipe)
        assert heard.status == {
            "polarity/0": "trained",
            "polarity/1": "trained",
            "mean": "merged",
            "scores": "evaluated",
        }
        assert heard.warnings == []
        out = recipe.parent / "recipe"
        assert not (out / ".scratch").exists()
        assert (out / "scores" / "predictions" / "all.jsonl").is_file()
        assert not list(out.rglob("*.xlmerge-*"))

    def test_a_second_run_does_nothing(self, recipe: Path, runtime: FakeRuntime) -> None:
        live_run(recipe)
        before = snapshot(recipe.parent / "recipe")
        trained, evaluated = len(runtime.trained), len(runtime.evaluated)
        assert live_run(recipe).status == KEPT
        assert (len(runtime.trained), len(runtime.evaluated)) == (trained, evaluated)
        assert snapshot(recipe.parent / "recipe") == before

    def test_torch_is_not_asked_for(self, recipe: Path, runtime: FakeRuntime) -> None:
        live_run(recipe)
        sys.modules.pop("xlmerge.runtime.steps")
        assert live_run(recipe).status == KEPT
        assert "xlmerge.runtime.steps" not in sys.modules

    def test_force_does_everything_again(self, recipe: Path, runtime: FakeRuntime) -> None:
        live_run(recipe)
        assert set(live_run(recipe, force=True).status.values()) == {
            "trained",
            "merged",
            "evaluated",
        }

    def test_an_order_has_everything(self, recipe: Path, runtime: FakeRuntime) -> None:
        live_run(recipe)
        first, second = runtime.trained
        assert (first.step, first.adapter_name, second.seed) == ("polarity/0", "polarity_0", 1)
        assert first.parameters == {"steps": 10, "schedule": "linear"}
        assert first.folders == {"one": recipe.parent / "one"}
        assert first.task is not None
        assert first.adapter is not None
        assert first.adapter["reduction_factor"] == 16
        assert (first.base_model, first.start) == ("./base", recipe.parent)
        [table] = runtime.evaluated
        assert [cell.row for cell in table.cells] == ["alone", "alone", "stacked", "stacked"]
        assert table.cells[3].folders == {
            "one": recipe.parent / "one",
            "polarity/1": recipe.parent / "recipe" / "polarity" / "1",
        }
        assert len({cell.key for cell in table.cells}) == 4
        assert table.baseline == "alone"

    def test_what_is_written_down(self, recipe: Path, runtime: FakeRuntime) -> None:
        live_run(recipe)
        written = record(recipe, "polarity/0")
        assert written["trainer"]["name"] == "fake"
        assert written["versions"]["torch"] == "0"
        assert written["device"] == "cpu"
        assert written["report"]["loss"] == 0.25
        assert [item["name"] for item in written["inputs"]] == ["one"]
        assert "train.csv" in written["data"]["data"]["files"]
        assert "config.json" in written["base"]["files"]
        assert written["library"] == "adapters"
        assert [each["name"] for each in written["architectures"]] == ["bottleneck"]
        scores = record(recipe, "scores")
        assert sorted(scores["outputs"]) == ["predictions/all.jsonl", "table.json"]
        card = (recipe.parent / "recipe" / "polarity" / "0" / "README.md").read_text("utf-8")
        for word in ("trained by `fake`", "frozen beneath it", "loss 0.25 after 2 steps"):
            assert word in card

    def test_cards_of_merges_say_that_nothing_was_trained(
        self, recipe: Path, runtime: FakeRuntime
    ) -> None:
        live_run(recipe)
        assert "It was not trained" in model_card(record(recipe, "mean"))


class TestWhatIsStillTrue:
    """Each change does those steps again that it concerns, and no others."""

    def again(self, recipe: Path, **options: Any) -> list[str]:
        status = live_run(recipe, **options).status
        return [name for name in NAMES if status[name] != "up to date"]

    @pytest.fixture(autouse=True)
    def _done(self, recipe: Path, runtime: FakeRuntime) -> None:
        live_run(recipe)

    def change(self, recipe: Path, **steps: Mapping[str, Any]) -> None:
        write_live_recipe(recipe.parent, {**STEPS, **steps})

    def test_data(self, recipe: Path) -> None:
        (recipe.parent / "data" / "train.csv").write_text("text,label\nother,a\n", "utf-8")
        assert self.again(recipe) == ["polarity/0", "polarity/1", "scores"]

    def test_the_base_model(self, recipe: Path) -> None:
        (recipe.parent / "base" / "model.safetensors").write_bytes(b"others")
        assert self.again(recipe) == ["polarity/0", "polarity/1", "scores"]

    def test_a_frozen_adapter(self, recipe: Path) -> None:
        edit_tensors(recipe.parent / "one", lambda arrays: {k: a + 1 for k, a in arrays.items()})
        assert self.again(recipe) == ["polarity/0", "polarity/1", "scores"]

    def test_a_parameter(self, recipe: Path) -> None:
        self.change(recipe, polarity={**TRAIN, "with": {"seed": "<seed>", "steps": 11}})
        assert self.again(recipe) == ["polarity/0", "polarity/1"]

    def test_the_seeds(self, recipe: Path) -> None:
        more = {"for_each": {"seed": [0, 1, 2]}}
        self.change(recipe, polarity={**TRAIN, **more}, scores={**SCORES, **more})
        status = live_run(recipe).status
        assert status == {**KEPT, "polarity/2": "trained", "scores": "evaluated"}

    def test_the_adapter_s_form(self, recipe: Path) -> None:
        self.change(recipe, polarity={**TRAIN, "adapter": "seq_bn_inv"})
        assert self.again(recipe) == NAMES

    def test_an_option_of_the_task(self, recipe: Path) -> None:
        self.change(recipe, polarity={**TRAIN, "task": {"guess": {"max_length": 8}}})
        assert self.again(recipe) == ["polarity/0", "polarity/1"]

    def test_the_plugin(self, recipe: Path) -> None:
        assert self.again(recipe, registry=live_registry(version="2")) == [
            "polarity/0",
            "polarity/1",
            "scores",
        ]

    def test_a_row(self, recipe: Path, runtime: FakeRuntime) -> None:
        rows = {**SCORES["rows"], "merged": {"stack": ["one", "mean"]}}
        before = {cell.key for cell in runtime.evaluated[-1].cells}
        self.change(recipe, scores={**SCORES, "rows": rows})
        assert self.again(recipe) == ["scores"]
        assert before < {cell.key for cell in runtime.evaluated[-1].cells}

    def test_the_device_is_no_matter(self, recipe: Path) -> None:
        self.change(recipe, polarity={**TRAIN, "with": {"seed": "<seed>", "device": "cpu"}})
        assert self.again(recipe) == []

    def test_nor_are_the_names_of_data_and_folders(self, recipe: Path) -> None:
        (recipe.parent / "data").rename(recipe.parent / "moved")
        changed = {key: {**step, "data": "texts"} for key, step in STEPS.items() if key != "mean"}
        write_live_recipe(recipe.parent, {**STEPS, **changed}, datasets={"texts": "./moved"})
        assert self.again(recipe) == []

    def test_roles_of_data_are_not_mixed_up(self, recipe: Path) -> None:
        make_data(recipe.parent / "more")
        roles = [{"train": "data", "validation": "more"}, {"train": "more", "validation": "data"}]
        (recipe.parent / "more" / "train.csv").write_text("text,label\nmore,a\n", "utf-8")
        for data in roles:
            step = {**TRAIN, "data": data}
            write_live_recipe(
                recipe.parent,
                {**STEPS, "polarity": step},
                datasets={"data": "./data", "more": "./more"},
            )
            assert self.again(recipe)[:2] == ["polarity/0", "polarity/1"]

    def test_a_changed_output(self, recipe: Path) -> None:
        (recipe.parent / "recipe" / "scores" / "predictions" / "all.jsonl").write_text("2\n")
        with pytest.raises(RecipeError, match=r"predictions/all\.jsonl was changed"):
            live_run(recipe)
        assert "scores" in live_run(recipe, force=True).status

    def test_a_missing_output(self, recipe: Path) -> None:
        (recipe.parent / "recipe" / "scores" / "predictions" / "all.jsonl").unlink()
        assert self.again(recipe) == ["scores"]

    def test_a_stranger_s_folder_in_an_output_is_not_replaced(self, recipe: Path) -> None:
        (recipe.parent / "recipe" / "scores" / "mine").mkdir()
        with pytest.raises(RecipeError, match="mine"):
            live_run(recipe, force=True)


class TestToldOnce:
    def test_a_mistake_of_a_whole_family(self, tmp_path: Path) -> None:
        wrong = {**TRAIN, "with": {"seed": "<seed>", "stepz": 3}}
        [problem] = live_problems(write_live_recipe(tmp_path, {"polarity": wrong}))
        assert "no parameter `stepz`" in problem

    def test_files_that_a_merge_leaves_behind(self, tmp_path: Path, runtime: FakeRuntime) -> None:
        """Not those of adapters that are only run, nor heads that the recipe names."""
        head = {"path": "one/head.safetensors", "task": "guess"}
        for heads, merged, expected in (
            ({}, False, []),
            ({}, True, ["one: not read and not carried over: head.safetensors"]),
            ({"linear": head}, True, []),
        ):
            scores = {**SCORES, "head": "linear"} if heads else SCORES
            half = {"merge": "linear", "adapters": {"one": 0.5}}
            recipe = write_live_recipe(
                tmp_path,
                {"polarity": TRAIN, "scores": scores, **({"half": half} if merged else {})},
                adapters={"one": "./one"},
                heads=heads,
            )
            (tmp_path / "one" / "head.safetensors").write_bytes(b"weights")
            assert live_run(recipe, force=True).warnings == expected


class TestStopped:
    """A run that is stopped in the middle leaves nothing half-written, and goes on later."""

    def stop(self, runtime: FakeRuntime, when: int) -> None:
        calls = 0

        def before(order: Any) -> None:
            nonlocal calls
            calls += 1
            if calls == when:
                if hasattr(order, "scratch"):
                    (order.scratch / "kept").write_text("half", encoding="utf-8")
                raise TrainingError("the loss is not finite")

        runtime.before = before

    def test_a_training_goes_on_from_its_checkpoints(
        self, recipe: Path, runtime: FakeRuntime
    ) -> None:
        self.stop(runtime, 1)
        with pytest.raises(TrainingError, match=r"^polarity/0: the loss is not finite"):
            live_run(recipe)
        out = recipe.parent / "recipe"
        assert not (out / "polarity" / "0").exists()
        assert [path.name for path in (out / ".scratch").iterdir()] == ["polarity__0"]
        runtime.before = lambda order: None
        first = runtime.trained[0].scratch
        assert (first / "kept").is_file()
        live_run(recipe)
        assert runtime.trained[1].scratch == first
        assert not (out / ".scratch").exists()

    def test_checkpoints_of_other_parameters_are_removed(
        self, recipe: Path, runtime: FakeRuntime
    ) -> None:
        self.stop(runtime, 1)
        with pytest.raises(TrainingError):
            live_run(recipe)
        stale = runtime.trained[0].scratch
        write_live_recipe(
            recipe.parent, {**STEPS, "polarity": {**TRAIN, "with": {"seed": "<seed>", "steps": 2}}}
        )
        seen: list[bool] = []
        runtime.before = lambda order: seen.append(stale.exists())
        live_run(recipe)
        assert not any(seen)
        assert runtime.trained[1].scratch != stale

    def test_force_begins_anew(self, recipe: Path, runtime: FakeRuntime) -> None:
        self.stop(runtime, 1)
        with pytest.raises(TrainingError):
            live_run(recipe)
        seen: list[bool] = []
        runtime.before = lambda order: (
            seen.append((order.scratch / "kept").exists()) if hasattr(order, "scratch") else None
        )
        live_run(recipe, force=True)
        assert not any(seen)

    def test_finished_cells_are_kept(self, recipe: Path, runtime: FakeRuntime) -> None:
        self.stop(runtime, 5)  # two trainings, two cells
        with pytest.raises(TrainingError, match=r"^scores: "):
            live_run(recipe)
        [order] = runtime.evaluated
        assert len(list(order.scratch.glob("*.json"))) == 2
        runtime.before = lambda order: None
        assert live_run(recipe).status["scores"] == "evaluated"
        assert runtime.evaluated[1].scratch == order.scratch

    def test_an_output_stays_as_it_was(self, recipe: Path, runtime: FakeRuntime) -> None:
        live_run(recipe)
        before = snapshot(recipe.parent / "recipe" / "polarity")
        (recipe.parent / "data" / "train.csv").write_text("text,label\nother,a\n", "utf-8")
        self.stop(runtime, 1)
        with pytest.raises(TrainingError):
            live_run(recipe)
        assert snapshot(recipe.parent / "recipe" / "polarity") == before

    def test_a_trainer_that_writes_nothing(
        self, recipe: Path, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        runtime.train = lambda order: {"summary": ""}  # type: ignore[method-assign]
        runtime.install(monkeypatch)
        with pytest.raises(TrainingError, match=r"fake .* wrote no adapter") as caught:
            live_run(recipe)
        assert "xlmerge-" not in str(caught.value)
        assert not (recipe.parent / "recipe" / "polarity" / "0").exists()


class TestOutputs:
    @pytest.mark.parametrize("step", ["data", "base"])
    def test_never_in_place_of_what_is_read(
        self, tmp_path: Path, runtime: FakeRuntime, step: str
    ) -> None:
        write_live_recipe(tmp_path, {"polarity": TRAIN})
        steps = {key: value for key, value in TRAIN.items() if key not in {"for_each", "with"}}
        names = {"data": "texts", "base": "data"}
        recipe = write_live_recipe(
            tmp_path,
            {step: {**steps, "data": names[step]}},
            adapters={"one": "./one"},
            datasets={names[step]: "./data"},
        )
        before = snapshot(tmp_path)
        with pytest.raises(RecipeError, match="overlap"):
            live_run(recipe, output=tmp_path, force=True)
        assert snapshot(tmp_path) == before

    def test_beside_the_data_in_one_folder(self, recipe: Path, runtime: FakeRuntime) -> None:
        heard = live_run(recipe, output=recipe.parent / "data")
        assert heard.status["scores"] == "evaluated"

    def test_what_a_killed_run_left_of_a_finished_step(
        self, recipe: Path, runtime: FakeRuntime
    ) -> None:
        live_run(recipe)
        for order in (runtime.trained[0], runtime.evaluated[0]):
            order.scratch.mkdir(parents=True)
        assert live_run(recipe).status == KEPT
        assert not (recipe.parent / "recipe" / ".scratch").exists()


class TestHub:
    """A base model on the hub is pinned to a commit, in this run and later ones."""

    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
        import huggingface_hub

        asked: list[str | None] = []

        def download(repo: str, *, revision: str | None, allow_patterns: list[str]) -> str:
            assert (repo, allow_patterns) == ("someone/model", ["config.json"])
            asked.append(revision)
            return f"/cache/models--someone--model/snapshots/{revision or f'c{len(asked)}'}"

        monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
        return asked

    @pytest.fixture
    def on_hub(self, tmp_path: Path, recipe: Path) -> Path:
        step = {**TRAIN, "for_each": {"seed": [0]}}
        del step["on"]
        return write_live_recipe(tmp_path, {"polarity": step}, base_model="someone/model")

    def test_later_runs_keep_to_the_commit(
        self, on_hub: Path, runtime: FakeRuntime, asked: list[str | None]
    ) -> None:
        live_run(on_hub)
        assert runtime.trained[0].revision == "c1"
        assert runtime.trained[0].base_model == "someone/model"
        assert live_run(on_hub).status == {"polarity/0": "up to date"}
        assert asked == [None, "c1"]

    def test_update_takes_the_newest(
        self, on_hub: Path, runtime: FakeRuntime, asked: list[str | None]
    ) -> None:
        live_run(on_hub)
        assert live_run(on_hub, update=True).status == {"polarity/0": "trained"}
        assert [order.revision for order in runtime.trained] == ["c1", "c2"]

    def test_a_revision_is_asked_for(
        self, on_hub: Path, runtime: FakeRuntime, asked: list[str | None]
    ) -> None:
        text = on_hub.read_text("utf-8").replace("someone/model", "someone/model@v2")
        on_hub.write_text(text, "utf-8")
        live_run(on_hub)
        assert (asked, runtime.trained[0].revision) == (["v2"], "v2")

    def test_a_hub_that_is_out_of_reach(
        self, on_hub: Path, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import huggingface_hub

        def fail(*_: Any, **__: Any) -> str:
            raise OSError("no network")

        monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
        with pytest.raises(HubError, match=r"someone/model.*no network"):
            live_run(on_hub)
        assert not runtime.trained


class TestLateMerges:
    def test_problems_that_need_no_header_are_told_at_once(self, tmp_path: Path) -> None:
        mean = {**MEAN, "with": {"scope": "world"}, "roles": {"task": "one"}}
        found = live_problems(write_live_recipe(tmp_path, {"polarity": TRAIN, "mean": mean}))
        text = "\n".join(found)
        assert "'world'" in text
        assert "no role `task`" in text

    def test_problems_that_need_one_are_told_when_it_is_there(
        self, tmp_path: Path, runtime: FakeRuntime
    ) -> None:
        make(tmp_path / "wide", "seq_bn_inv", base_model="./base")
        mean = {**MEAN, "adapters": {"polarity/0": 0.5, "wide": 0.5}}
        recipe = write_live_recipe(
            tmp_path,
            {"polarity": TRAIN, "mean": mean},
            adapters={"one": "./one", "wide": "./wide"},
        )
        with pytest.raises(RecipeError, match="invertible"):
            live_run(recipe)
        out = recipe.parent / "recipe"
        assert (out / "polarity" / "0").is_dir()
        assert not (out / "mean").exists()
        # Now it is known before anything is done.
        runtime.trained.clear()
        assert "invertible" in "\n".join(live_problems(recipe))
        assert not runtime.trained

    def test_an_option_of_the_space_is_taken(self, tmp_path: Path, runtime: FakeRuntime) -> None:
        mean = {**MEAN, "with": {"nonsense": 1}}
        recipe = write_live_recipe(tmp_path, {"polarity": TRAIN, "mean": mean})
        with pytest.raises(RecipeError, match="nonsense"):
            live_run(recipe)

    def test_merges_of_such_merges(self, tmp_path: Path, runtime: FakeRuntime) -> None:
        twice = {"merge": "linear", "adapters": {"mean": 2.0}}
        on = {**TRAIN, "for_each": {"seed": [5]}, "on": {"stack": ["one", "twice"]}}
        steps = {"polarity": TRAIN, "mean": MEAN, "twice": twice, "last": on}
        recipe = write_live_recipe(tmp_path, steps)
        assert live_run(recipe).status["last/5"] == "trained"
        assert runtime.trained[-1].folders["twice"] == recipe.parent / "recipe" / "twice"

    def test_an_adapter_that_is_trained_in_another_form(
        self, tmp_path: Path, runtime: FakeRuntime
    ) -> None:
        """What an earlier run trained says nothing of what this one is going to."""
        steps: dict[str, Any] = {"polarity": TRAIN, "mean": MEAN}
        live_run(write_live_recipe(tmp_path, steps))
        steps["polarity"] = {**TRAIN, "adapter": "seq_bn_inv"}
        recipe = write_live_recipe(tmp_path, steps)
        assert live_run(recipe).status["mean"] == "merged"
        assert [each["name"] for each in record(recipe, "mean")["architectures"]] == [
            "bottleneck",
            "nice",
        ]


class TestListening:
    def test_notes_come_before_progress(self, recipe: Path, runtime: FakeRuntime) -> None:
        heard: list[Any] = []

        class Listener(Recorder):
            def model_starts(self) -> None:
                heard.append("model")

            def step_started(self, name: str, method: str) -> None:
                heard.append((name, method))

            def note(self, name: str, text: str) -> None:
                heard.append(text)

            def progress(self, name: str, done: int, total: int) -> None:
                heard.append((done, total))

        xlmerge.run(recipe, registry=live_registry(), listener=Listener())
        assert heard[:6] == [
            "model",
            ("polarity/0", "fake"),
            "loss 0.5",
            (1, 2),
            "loss 0.25",
            (2, 2),
        ]


class TestSeveralProcesses:
    """What the others do, which share each decision of the first process."""

    def test_others_train_along_and_write_nothing(
        self, recipe: Path, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shared: list[Any] = []
        import xlmerge.runtime.distributed as group

        def first(value: Any) -> Any:
            shared.append(value)
            return value

        monkeypatch.setattr(group, "barrier", lambda: None)
        monkeypatch.setattr(group, "share", first)
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("RANK", "0")
        live_run(recipe)
        before = snapshot(recipe.parent / "recipe")
        scratch = [order.scratch for order in runtime.trained]

        monkeypatch.setenv("RANK", "1")
        answers = iter(shared)
        monkeypatch.setattr(group, "share", lambda value: next(answers))
        runtime.trained.clear()
        for folder in scratch:
            folder.mkdir(parents=True)
        heard = live_run(recipe)
        assert list(heard.status) == NAMES
        assert [order.scratch for order in runtime.trained] == scratch
        assert not any(order.output.exists() for order in runtime.trained)
        assert not any(str(recipe.parent) in str(order.output) for order in runtime.trained)
        assert not list(answers)
        for folder in scratch:
            assert any(folder.iterdir())
        assert {
            path: content
            for path, content in snapshot(recipe.parent / "recipe").items()
            if ".scratch" not in str(path)
        } == before
