"""The laws of trainers as tests that a plugin's own tests inherit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.plugin.trees import parse_tree
from xlmerge.testing import trainer_laws as laws
from xlmerge.testing.bench import registry_with
from xlmerge.testing.light_imports import check_module_is_light, importable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from xlmerge.plugin import Task, Trainer

__all__ = ["TrainerSuite"]


class TrainerSuite:
    """Inherit, name the trainer, give some rows, and pytest checks what it has to keep to.

    It trains in a tiny random model with a tokenizer that makes a token of each letter; two or
    three steps are enough. Needs the libraries.

    Example::

        class TestFewRows(TrainerSuite):
            trainer = few_rows
            data = {"train": [{"text": "yes", "label": "a"}, {"text": "no", "label": "b"}]}
            options = {"rows": 2}

    Attributes:
        trainer: The trainer under test.
        data: Role to rows.
        options: Parameters that are not left at their defaults: make it short.
        task: The task it trains on, or its name; the trainer's own if it has one.
        task_options: Options of the task that are not left at their defaults.
        adapter: Configuration of the adapter, a name or all fields; the trainer's default if None.
        beneath: Adapters that lie frozen beneath, name to configuration.
        on: Their composition, as a recipe writes it; None to train alone.
        module: Where the trainer is importable from; by default the module of its function.
    """

    trainer: Trainer
    data: Mapping[str, Sequence[Mapping[str, Any]]] = {}
    options: Mapping[str, Any] = {}
    task: Task | str | None = None
    task_options: Mapping[str, Any] = {}
    adapter: str | Mapping[str, Any] | None = None
    beneath: Mapping[str, str | Mapping[str, Any]] = {}
    on: Any = None
    module: str | None = None

    @pytest.fixture
    def run(
        self, tmp_path_factory: pytest.TempPathFactory
    ) -> Callable[[str, int], laws.TrainingRun]:
        """Trainings by name and seed, each done once for all laws."""
        pytest.importorskip("adapters")
        kept: dict[str, laws.TrainingRun] = type(self).__dict__.get("_runs") or {}
        type(self)._runs = kept  # type: ignore[attr-defined]  # noqa: SLF001 - kept for the class

        def run(name: str, seed: int) -> laws.TrainingRun:
            if name not in kept:
                folder: Path = tmp_path_factory.mktemp(name)
                kept[name] = laws.run_training(self._case(), folder, seed=seed)
            return kept[name]

        return run

    def test_a_whole_adapter_is_written(self, run: Callable[[str, int], laws.TrainingRun]) -> None:
        """It can be read, merged and loaded."""
        laws.check_a_whole_adapter_is_written(run("first", 0))

    def test_training_changes_the_adapter(
        self, run: Callable[[str, int], laws.TrainingRun]
    ) -> None:
        """It learns something."""
        laws.check_training_changes_the_adapter(run("first", 0))

    def test_nothing_else_changes(self, run: Callable[[str, int], laws.TrainingRun]) -> None:
        """Neither the base model nor what lies beneath."""
        laws.check_nothing_else_changes(run("first", 0))

    def test_the_random_state_is_left_alone(
        self, run: Callable[[str, int], laws.TrainingRun]
    ) -> None:
        """Of torch, NumPy and Python."""
        laws.check_random_state_is_left_alone(run("first", 0))

    def test_the_report_is_plain(self, run: Callable[[str, int], laws.TrainingRun]) -> None:
        """As JSON holds it."""
        laws.check_report_is_plain(run("first", 0))

    def test_one_seed_gives_one_result(self, run: Callable[[str, int], laws.TrainingRun]) -> None:
        """Bit by bit, on a processor."""
        laws.check_same_seed_same_numbers(run("first", 0), run("again", 0))

    def test_another_seed_gives_another_result(
        self, run: Callable[[str, int], laws.TrainingRun]
    ) -> None:
        """The seed is used."""
        laws.check_another_seed_gives_other_numbers(run("first", 0), run("other", 1))

    def test_importing_the_plugin_is_cheap(self) -> None:
        """No model library is imported to find the trainer."""
        module = self.module or str(self.trainer.function.__module__)
        if not importable(module):
            pytest.skip(f"no other process can import {module}: say where it is with `module`")
        check_module_is_light(module)

    def _case(self) -> laws.TrainerCase:
        registry = registry_with("trainers", self.trainer)
        task = self.task or self.trainer.task
        if task is None or task == "any":
            pytest.fail(f"{self.trainer.name} trains on any task: name one with `task`")
        found = registry.task(task).descriptor if isinstance(task, str) else task
        adapter = self.adapter or self.trainer.adapter
        if adapter is None:
            pytest.fail(f"{self.trainer.name} has no adapter of its own: name a configuration")
        return laws.TrainerCase(
            trainer=self.trainer,
            registry=registry,
            task=found,
            task_options=self.task_options,
            data=self.data,
            adapter=adapter,
            beneath=self.beneath,
            on=None if self.on is None else parse_tree(self.on),
            options=self.options,
        )
