"""Every registered trainer keeps to the laws of trainers."""

from __future__ import annotations

from typing import ClassVar

import pytest

from xlmerge.plugin import discover
from xlmerge.testing import TrainerSuite

pytestmark = pytest.mark.libraries
pytest.importorskip("adapters")

TRAINERS = {name: item.descriptor for name, item in discover(strict=True).trainers.items()}
TESTED: set[str] = set()
SHORT = {"steps": 2, "epochs": None, "batch_size": 4, "learning_rate": 1e-2}
LABELLED = [{"text": "good " * (at + 1), "label": "ab"[at % 2]} for at in range(6)]


class Suite(TrainerSuite):
    """Children say which trainer."""

    options: ClassVar = SHORT

    def __init_subclass__(cls, name: str) -> None:
        cls.trainer = TRAINERS[name]
        TESTED.add(name)


class TestTaskAdapter(Suite, name="task_adapter"):
    data: ClassVar = {"train": LABELLED, "validation": LABELLED[:2]}
    task = "sequence_classification"


class TestTaskAdapterOnALanguage(Suite, name="task_adapter"):
    data: ClassVar = {"train": LABELLED}
    task = "sequence_classification"
    adapter = "lora"
    beneath: ClassVar = {"language": "seq_bn_affine"}
    on = "language"


class TestLanguageAdapter(Suite, name="language_adapter"):
    data: ClassVar = {"train": [{"text": row["text"]} for row in LABELLED]}
    task_options: ClassVar = {"max_length": 16}
    options: ClassVar = {**SHORT, "held_out": 1}


class TestAffineLanguageAdapter(TestLanguageAdapter, name="language_adapter"):
    adapter = "seq_bn_affine"


class TestMetaxl(Suite, name="metaxl"):
    data: ClassVar = {"source": LABELLED, "train": LABELLED, "validation": LABELLED[:2]}
    task = "sequence_classification"


class TestMetaxlOnALanguage(Suite, name="metaxl"):
    data: ClassVar = {"source": LABELLED, "train": LABELLED}
    task = "sequence_classification"
    adapter = "lora"
    options: ClassVar = {**SHORT, "algorithm": "split_difference", "main_gradient": "fresh"}
    beneath: ClassVar = {"language": "seq_bn_affine"}
    on = "language"


def test_no_trainer_is_left_out() -> None:
    assert set(TRAINERS) == TESTED
