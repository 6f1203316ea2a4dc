"""Every registered task keeps to the laws of tasks."""

from __future__ import annotations

from typing import ClassVar

import pytest

from xlmerge.plugin import discover
from xlmerge.testing import TaskSuite

pytestmark = pytest.mark.libraries
pytest.importorskip("adapters")

TASKS = {name: item.descriptor for name, item in discover(strict=True).tasks.items()}
TESTED: set[str] = set()


class Suite(TaskSuite):
    """Children say which task."""

    def __init_subclass__(cls, name: str) -> None:
        cls.task = TASKS[name]
        TESTED.add(name)


LABELLED = [
    {"text": "good", "label": "yes"},
    {"text": "not so good", "label": "no"},
    {"text": "who knows " * 20, "label": "maybe"},
    {"text": "bad", "label": "no"},
]


class TestSequenceClassification(Suite, name="sequence_classification"):
    rows: ClassVar = LABELLED
    answers = ("yes", "no", "maybe", "no")


class TestMeanPooling(Suite, name="sequence_classification"):
    rows: ClassVar = LABELLED
    options: ClassVar = {"pooling": "mean", "max_length": 16}


class TestPairs(Suite, name="sequence_classification"):
    rows: ClassVar = [{**row, "text_b": "is that so"[: 4 + at]} for at, row in enumerate(LABELLED)]


class TestMaskedLm(Suite, name="masked_lm"):
    rows: ClassVar = [{"text": row["text"]} for row in LABELLED]
    options: ClassVar = {"max_length": 32, "mask_probability": 0.5}


TAGGED = [
    {"tokens": ["Budi", "lives", "in", "Rome"], "tags": ["B-PER", "O", "O", "B-LOC"]},
    {"tokens": ["here"], "tags": ["O"]},
    {"tokens": ["Rome", "Town"] * 9, "tags": ["B-LOC", "I-LOC"] * 9},
]


class TestTokenClassification(Suite, name="token_classification"):
    rows: ClassVar = TAGGED
    options: ClassVar = {"max_length": 24}
    answers = tuple(row["tags"] for row in TAGGED)


class TestTagging(Suite, name="tagging"):
    rows: ClassVar = [
        {"tokens": row["tokens"], "tags": [tag.removeprefix("B-") for tag in row["tags"]]}
        for row in TAGGED
    ]
    answers = tuple(row["tags"] for row in rows)


class TestMultipleChoice(Suite, name="multiple_choice"):
    rows: ClassVar = [
        {
            "premise": "it rained " * (at + 1),
            "question": "effect",
            "choice1": "wet",
            "choice2": "dry" * at or "d",
            "label": at % 2,
        }
        for at in range(3)
    ]
    answers = (0, 1, 0)


class TestCausalLm(Suite, name="causal_lm"):
    causal = True
    rows: ClassVar = [{"text": row["text"]} for row in LABELLED]
    options: ClassVar = {"max_length": 32}


CONTEXTS = ("Budi lives", "here is Budi", "a long story " * 6 + "of Budi")


class TestExtractiveQa(Suite, name="extractive_qa"):
    rows: ClassVar = [
        {
            "id": str(at),
            "context": context,
            "question": "who?",
            "answers": {"text": ["Budi"], "answer_start": [context.index("Budi")]},
        }
        for at, context in enumerate(CONTEXTS)
    ]
    options: ClassVar = {"max_length": 64, "stride": 16}


def test_no_task_is_left_out() -> None:
    assert set(TASKS) == TESTED
