"""Trainings and evaluations at the command line, carried out by a fake runtime."""

from __future__ import annotations

import os
import textwrap
from typing import TYPE_CHECKING, Any

import click
import pytest

from builders.live import FakeRuntime, live_registry, write_live_recipe
from xlmerge.cli import cli
from xlmerge.cli.blas import give_blas_back, one_blas_thread
from xlmerge.cli.progress import Progress
from xlmerge.errors import TrainingError
from xlmerge.recipe import recipe_from_text

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import CommandLine

STEPS: dict[str, Any] = {
    "polarity": {
        "for_each": {"seed": [0, 1]},
        "train": "fake",
        "task": "guess",
        "on": "one",
        "data": "data",
        "adapter": {"config": "seq_bn", "reduction_factor": 2},
        "with": {"seed": "<seed>"},
    },
    "mean": {"merge": "linear", "adapters": {"polarity/0": 0.5, "two": 0.5}, "heads": "drop"},
    "scores": {
        "for_each": {"seed": [0, 1]},
        "evaluate": "guess",
        "data": "data",
        "rows": {"alone": "polarity", "stacked": {"stack": ["one", "polarity"]}},
    },
}


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    fake = FakeRuntime()
    fake.install(monkeypatch)
    # In this order: what is imported while the first is replaced would keep the replacement.
    monkeypatch.setattr("xlmerge.cli.carrying_out.discover", live_registry)
    monkeypatch.setattr("xlmerge.plugin.discover", live_registry)
    return fake


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return write_live_recipe(tmp_path, STEPS)


def test_the_plan_says_whose_head_it_is(xl: CommandLine, tmp_path: Path, runtime: Any) -> None:
    steps = {**STEPS, "scores": {**STEPS["scores"], "head": "polarity"}}
    shown = xl("check", write_live_recipe(tmp_path, steps))
    assert (shown.code, shown.err) == (0, "")
    assert "\n  head: polarity/0, polarity/1\n" in shown.out


def test_a_run(xl: CommandLine, recipe: Path, runtime: FakeRuntime) -> None:
    shown = xl("run", recipe)
    assert (shown.code, shown.err) == (0, "")
    lines = shown.out.splitlines()
    assert lines[0].startswith("polarity/0: trained in ")
    assert lines[0].endswith(f"-> {recipe.parent / 'recipe' / 'polarity' / '0'}")
    assert lines[1] == "  loss 0.25 after 2 steps"
    assert any(line.startswith("mean: merged ") for line in lines)
    assert shown.out.endswith("  scored\nrow  score\none  1.0\n")


def test_a_second_run_shows_the_table_again(
    xl: CommandLine, recipe: Path, runtime: FakeRuntime
) -> None:
    xl("run", recipe)
    shown = xl("run", recipe)
    assert shown.out.count("up to date") == 4
    assert shown.out.endswith("row  score\none  1.0\n")
    assert xl("run", recipe, "-q").out == ""


@pytest.mark.parametrize("arguments", [["check"], ["run", "--dry-run"]])
def test_a_plan(xl: CommandLine, recipe: Path, runtime: FakeRuntime, arguments: list[str]) -> None:
    before = sorted(recipe.parent.rglob("*"))
    shown = xl(*arguments, recipe)
    assert (shown.code, shown.err) == (0, "")
    for text in (
        f"base model ./base: {recipe.parent / 'base'}",
        "step polarity/0: train by fake on the task guess",
        "  data train: data",
        "  on one, frozen",
        "  adapter: seq_bn (bottleneck) with reduction_factor = 2",
        "  task with max_length = 16",
        "  with steps = 10, schedule = linear, seed = 1, dtype = float32",
        "step mean: linear(0.5 * polarity/0, 0.5 * two)",
        "  planned in full when polarity/0 can be read",
        "step scores: evaluate guess: 2 rows, 4 scores on the split test",
        "  alone (baseline): polarity/0 and 1 more like it",
        "  stacked: stack(one, polarity/0) and 1 more like it",
    ):
        assert text in shown.out
    assert sorted(recipe.parent.rglob("*")) == before
    assert not runtime.trained


def test_a_training_that_goes_wrong(xl: CommandLine, recipe: Path, runtime: FakeRuntime) -> None:
    def fail(order: Any) -> None:
        raise TrainingError("the loss is not finite", hint="a smaller learning rate")

    runtime.before = fail
    shown = xl("run", recipe)
    assert shown.code == 12
    assert shown.err == "error: polarity/0: the loss is not finite\n  -> a smaller learning rate\n"


def test_inspect_says_what_trained_it(xl: CommandLine, recipe: Path, runtime: FakeRuntime) -> None:
    xl("run", recipe)
    shown = xl("inspect", recipe.parent / "recipe" / "polarity" / "0")
    assert "data by fake on top of one (xlmerge.json)" in shown.out


def test_only_the_first_process_speaks(
    xl: CommandLine, recipe: Path, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    shown = xl("run", recipe, "--dry-run")
    assert (shown.code, shown.out, shown.err) == (0, "", "")
    shown = xl("run", recipe, "--dry-run", "--set", "steps.scores.evaluate=gess")
    assert (shown.code, shown.out, shown.err) == (2, "", "")
    shown = xl("inspect", "nowhere")
    assert shown.err.startswith("error: process 1: ")


def test_the_help_s_recipes_can_be_read() -> None:
    command = cli.get_command(click.Context(cli), "run")
    assert command is not None
    assert command.help is not None
    recipes = []
    for paragraph in command.help.split("\n\n"):
        _, _, body = paragraph.partition(":\n")
        if "version: 1" in body:
            recipes.append(recipe_from_text(textwrap.dedent(body), "help"))
    assert [sorted(loaded.recipe.steps) for loaded in recipes] == [
        ["bridge"],
        ["polarity", "scores"],
    ]


class TestProgress:
    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        now = [0.0]
        monkeypatch.setattr("time.monotonic", lambda: now[0])
        return now

    def told(self, capsys: pytest.CaptureFixture[str]) -> list[str]:
        return capsys.readouterr().err.splitlines()

    def test_a_line_for_each_tenth(
        self, clock: list[float], capsys: pytest.CaptureFixture[str]
    ) -> None:
        shown = Progress("a (b)", lines=True)
        for done in range(101):
            clock[0] = done * 2.0
            shown.note(f"loss {done}")
            shown.update(done, 100)
        lines = self.told(capsys)
        assert lines[0] == "a (b): 10/100, loss 10, 3 min left"
        assert len(lines) == 9

    def test_a_line_for_each_half_minute(
        self, clock: list[float], capsys: pytest.CaptureFixture[str]
    ) -> None:
        shown = Progress("a (b)", lines=True)
        for done in range(11):
            clock[0] = done * 10.0
            shown.update(done, 10_000)
        assert [line.partition(",")[0] for line in self.told(capsys)] == [
            "a (b): 3/10000",
            "a (b): 6/10000",
            "a (b): 9/10000",
        ]

    def test_the_time_left_is_told_by_the_steps_alone(
        self, clock: list[float], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Neither by what it took to load a model nor by steps of an earlier run."""
        shown = Progress("a (b)", lines=True)
        clock[0] = 1000.0
        for done in (501, 601, 701):
            shown.update(done, 1000)
            clock[0] += 100.0
        assert self.told(capsys) == [
            "a (b): 501/1000",
            "a (b): 601/1000, 7 min left",
            "a (b): 701/1000, 5 min left",
        ]

    def test_nothing_for_what_is_done_soon(
        self, clock: list[float], capsys: pytest.CaptureFixture[str]
    ) -> None:
        shown = Progress("a (b)", lines=True)
        for done in range(11):
            clock[0] = done * 0.1
            shown.update(done, 10)
        assert self.told(capsys) == []

    def test_no_lines_where_none_are_wanted(
        self, clock: list[float], capsys: pytest.CaptureFixture[str]
    ) -> None:
        shown = Progress("a (b)", lines=False)
        clock[0] = 100.0
        shown.update(5, 10)
        assert self.told(capsys) == []


class TestBlas:
    NAME = "OPENBLAS_NUM_THREADS"

    def test_given_back_before_a_model_runs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv(self.NAME)
        with one_blas_thread():
            assert os.environ[self.NAME] == "1"
            give_blas_back()
            assert self.NAME not in os.environ
        assert self.NAME not in os.environ

    def test_what_the_user_set_stays(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(self.NAME, "3")
        with one_blas_thread():
            give_blas_back()
            assert os.environ[self.NAME] == "3"
        assert os.environ[self.NAME] == "3"
