"""The laws of tasks as tests that a plugin's own tests inherit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.plugin import discover
from xlmerge.testing import task_laws as laws
from xlmerge.testing.light_imports import check_module_is_light, importable
from xlmerge.testing.task_case import TaskCase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from xlmerge.plugin import Task

__all__ = ["TaskSuite"]


class TaskSuite:
    """Inherit, name the task, give some rows, and pytest checks what it has to keep to.

    The rows are encoded by a tokenizer that makes a token of each letter, and run through a tiny
    random model with a random head of the task. Needs the libraries.

    Example::

        class TestFormality(TaskSuite):
            task = formality
            rows = [{"text": "Dear Sir", "label": "formal"}, {"text": "hey", "label": "casual"}]
            answers = ["formal", "casual"]

    Attributes:
        task: The task under test.
        rows: Three or more, of different lengths and classes, one best longer than the task's
            longest input; with every column it declares.
        options: Options that are not left at their defaults.
        answers: The right prediction of each row, as ``predictions`` would give it; None if no
            prediction is simply right.
        causal: Whether it needs a model that reads from left to right.
        module: Where the task is importable from; by default the module of its function.
    """

    task: Task
    rows: Sequence[Mapping[str, Any]] = ()
    options: Mapping[str, Any] = {}
    answers: Sequence[Any] | None = None
    causal: bool = False
    module: str | None = None

    @pytest.fixture
    def case(self) -> TaskCase:
        """The task in a tiny model, one for all laws."""
        pytest.importorskip("adapters")
        kept: TaskCase | None = type(self).__dict__.get("_case")
        if kept is not None:
            return kept
        from xlmerge.runtime.tiny import tiny_model, tiny_rows

        live = tiny_model(discover(), causal=self.causal)
        logic = self.task.function(
            **{spec.name: spec.default for spec in self.task.parameters if not spec.required}
            | dict(self.options)
        )
        rows = tiny_rows(self.rows)
        labels = logic.label_names(rows)
        logic.prepare(live.model)
        live.add_head("case", logic.head_config(labels), seed=3)
        live.set_head("case")
        case = TaskCase(task=self.task, logic=logic, rows=rows, labels=labels, live=live)
        type(self)._case = case  # type: ignore[attr-defined]  # noqa: SLF001 - kept for the class
        return case

    def test_features_are_plain(self, case: TaskCase) -> None:
        """Lists of numbers, each of a row; no row is lost."""
        laws.check_features_are_plain(case)

    def test_padding_is_irrelevant(self, case: TaskCase) -> None:
        """An input gives the same alone as in a batch."""
        laws.check_padding_is_irrelevant(case)

    def test_the_loss_adds_up(self, case: TaskCase) -> None:
        """It is a sum, and comes with the number of its items."""
        laws.check_loss_adds_up(case)

    def test_the_loss_trains_the_head(self, case: TaskCase) -> None:
        """All of it."""
        laws.check_loss_trains_the_head(case)

    def test_predictions(self, case: TaskCase) -> None:
        """One a row, plain data, in the order of rows."""
        laws.check_predictions(case)

    def test_statistics_belong_to_rows(self, case: TaskCase) -> None:
        """So that rows can be drawn again, for intervals."""
        laws.check_statistics_belong_to_rows(case)

    def test_metrics_are_vectorised(self, case: TaskCase) -> None:
        """A thousand resamples are one call."""
        laws.check_metrics_are_vectorised(case)

    def test_right_answers_are_best(self, case: TaskCase) -> None:
        """Only if they are given."""
        if self.answers is None:
            pytest.skip(f"no right answers are given for {self.task.name}")
        laws.check_right_answers_are_best(case, self.answers)

    def test_missing_columns_are_refused(self, case: TaskCase) -> None:
        """With an error of xlmerge."""
        laws.check_missing_columns_are_refused(case)

    def test_unknown_labels_are_refused(self, case: TaskCase) -> None:
        """With an error of xlmerge."""
        laws.check_unknown_labels_are_refused(case)

    def test_the_head_survives_saving(self, case: TaskCase, tmp_path: Path) -> None:
        """Bit by bit."""
        laws.check_head_survives_saving(case, tmp_path)

    def test_importing_the_plugin_is_cheap(self) -> None:
        """No model library is imported to find the task."""
        module = self.module or str(self.task.function.__module__)
        if not importable(module):
            pytest.skip(f"no other process can import {module}: say where it is with `module`")
        check_module_is_light(module)
