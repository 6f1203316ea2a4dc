"""The suite for tasks notices what is wrong with a task."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from xlmerge import testing
from xlmerge.plugin import discover

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")
pytest.importorskip("adapters")

from xlmerge_standard.tasks._modules.classification import SequenceClassification  # noqa: E402

REGISTRY = discover(strict=True)
TASK = REGISTRY.task("sequence_classification").descriptor
ROWS = [
    {"text": "good", "label": "yes"},
    {"text": "not so good", "label": "no"},
    {"text": "who knows " * 5, "label": "maybe"},
]


class Means(SequenceClassification):
    def loss(self, outputs: Any, batch: Any) -> Any:
        total, items = SequenceClassification.loss(self, outputs, batch)
        return total / items, items


class LosesARow(SequenceClassification):
    def encode(self, *arguments: Any, **named: Any) -> Any:
        return SequenceClassification.encode(self, *arguments, **named)[:-1]


class LooksAtPadding(SequenceClassification):
    def outputs(self, live: Any, batch: Any) -> Any:
        whole = {**batch, "attention_mask": torch.ones_like(batch["attention_mask"])}
        return SequenceClassification.outputs(self, live, whole)


class GoesByPlace(SequenceClassification):
    def predictions(self, outputs: Any, features: Any, rows: Any, labels: Any) -> Any:
        return [
            labels[int(output["logits"].argmax()) - at % 2] for at, output in enumerate(outputs)
        ]


class Compares(SequenceClassification):
    def statistics(self, *arguments: Any) -> Any:
        found = SequenceClassification.statistics(self, *arguments)
        return found - found.mean(axis=0)


class OneAtATime(SequenceClassification):
    def metrics(self, totals: Any, labels: Any) -> Any:
        return {"macro_f1": float(np.ravel(totals)[0])}


class AnotherMetricFirst(SequenceClassification):
    def metrics(self, totals: Any, labels: Any) -> Any:
        return dict(reversed(SequenceClassification.metrics(self, totals, labels).items()))


class Guesses(SequenceClassification):
    def encode(self, rows: Any, tokenizer: Any, labels: Any, *, training: bool) -> Any:
        rows = rows.map(lambda row: {"label": labels[len(row["label"]) % len(labels)]})
        return SequenceClassification.encode(self, rows, tokenizer, labels, training=training)


class CutsTheGradient(SequenceClassification):
    def loss(self, outputs: Any, batch: Any) -> Any:
        logits = outputs["logits"].detach().requires_grad_()
        return SequenceClassification.loss(self, {"logits": logits}, batch)


class Percentless(SequenceClassification):
    def metrics(self, totals: Any, labels: Any) -> Any:
        found = SequenceClassification.metrics(self, totals, labels)
        return {name: value / 100 for name, value in found.items()}


def right_answers(case: testing.TaskCase) -> None:
    testing.check_right_answers_are_best(case, [row["label"] for row in ROWS])


WRONG: dict[str, tuple[type, Callable[[testing.TaskCase], None], str]] = {
    "means": (Means, testing.check_loss_adds_up, "return the sum"),
    "loses a row": (LosesARow, testing.check_features_are_plain, r"rows \[2\] give no input"),
    "padding": (LooksAtPadding, testing.check_padding_is_irrelevant, "sequence_classification"),
    "by place": (GoesByPlace, testing.check_predictions, "order of the inputs"),
    "compares": (Compares, testing.check_statistics_belong_to_rows, "alone"),
    "one at a time": (OneAtATime, testing.check_metrics_are_vectorised, "has shape"),
    "another first": (AnotherMetricFirst, testing.check_metrics_are_vectorised, "its metric is"),
    "guesses": (Guesses, testing.check_unknown_labels_are_refused, "the head does not have"),
    "gradient": (CutsTheGradient, testing.check_loss_trains_the_head, "does not reach"),
    "percent": (Percentless, right_answers, "not 100"),
}


def case_of(logic: Any) -> testing.TaskCase:
    from xlmerge.runtime.tiny import tiny_model, tiny_rows

    live, rows = tiny_model(REGISTRY), tiny_rows(ROWS)
    labels = logic.label_names(rows)
    live.add_head("case", logic.head_config(labels), seed=3)
    live.set_head("case")
    return testing.TaskCase(task=TASK, logic=logic, rows=rows, labels=labels, live=live)


@pytest.mark.parametrize("name", WRONG)
def test_caught(name: str) -> None:
    kind, law, words = WRONG[name]
    case = case_of(kind(max_length=64, pooling="cls", layers=1))
    with pytest.raises(AssertionError, match=words):
        law(case)


def test_a_declared_column_that_is_not_used() -> None:
    case = case_of(SequenceClassification(max_length=64, pooling="cls", layers=1))
    task = dataclasses.replace(TASK, columns={**TASK.columns, "title": "never read"})
    rows = case.rows.add_column("title", ["a"] * len(ROWS))
    with pytest.raises(AssertionError, match="without `title`, which it declares"):
        testing.check_missing_columns_are_refused(dataclasses.replace(case, task=task, rows=rows))
