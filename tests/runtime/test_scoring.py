"""Scoring batches by length, keeps the order of rows, and refuses what is not finite."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from xlmerge.errors import DataError, ModelError

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.libraries

LENGTHS = [3, 9, 1, 7, 2, 8, 5, 4, 6]


class Echo:
    """A task whose prediction for an input is its length."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = value
        self.padded = 0

    def encode(self, rows: Any, tokenizer: Any, labels: Any, *, training: bool) -> list[Any]:
        assert not training
        return [{"input_ids": [1] * length, "row": at} for at, length in enumerate(rows)]

    def collate(self, features: Any, tokenizer: Any) -> dict[str, Any]:
        longest = max(len(feature["input_ids"]) for feature in features)
        self.padded += longest * len(features)
        return {"length": torch.tensor([float(len(f["input_ids"])) for f in features])}

    def split(self, outputs: Any, batch: Any, features: Any) -> list[Any]:
        return [{"logits": np.array([x, self.value])} for x in outputs["logits"].tolist()]

    def predictions(self, outputs: Any, features: Any, rows: Any, labels: Any) -> list[Any]:
        return [int(each["logits"][0]) for each in outputs]

    def statistics(self, predictions: Any, rows: Any, labels: Any) -> Any:
        return np.array([[float(p == r), 1.0] for p, r in zip(predictions, rows, strict=True)])

    def metrics(self, totals: Any, labels: Any) -> dict[str, Any]:
        return {"accuracy": 100 * totals[..., 0] / totals[..., 1]}


def scored(task: Echo, rows: list[int], **options: Any) -> Any:
    from xlmerge.runtime import score

    return score(
        lambda batch: {"logits": batch["length"]},
        task,  # type: ignore[arg-type]
        rows,  # type: ignore[arg-type]
        (),
        None,
        device=torch.device("cpu"),
        **options,
    )


@pytest.mark.parametrize("batch_size", [1, 2, 4, 100])
def test_predictions_stand_in_the_order_of_rows(batch_size: int) -> None:
    found = scored(Echo(), LENGTHS, batch_size=batch_size)
    assert found.predictions == LENGTHS
    assert found.metrics == {"accuracy": 100.0}


def test_batches_are_of_like_length() -> None:
    task = Echo()
    scored(task, LENGTHS, batch_size=3)
    assert task.padded == 3 * (9 + 6 + 3)


def test_progress_counts_inputs() -> None:
    heard: list[tuple[int, int]] = []
    scored(Echo(), LENGTHS, batch_size=4, progress=lambda *at: heard.append(at))
    assert heard == [(4, 9), (8, 9), (9, 9)]


def test_what_is_not_finite_is_an_error() -> None:
    with pytest.raises(ModelError, match="logits"):
        scored(Echo(value=float("nan")), LENGTHS)


def test_nothing_to_score_is_an_error() -> None:
    with pytest.raises(DataError, match="nothing"):
        scored(Echo(), [])


def test_kept_cells_come_back_as_they_were(tmp_path: Path) -> None:
    from xlmerge.runtime.kept_cells import KeptCell, keep, kept

    statistics = np.random.default_rng(0).normal(size=(5, 3))
    cell = KeptCell(labels=("a", "b"), predictions=["a", ["b"], None], statistics=statistics)
    keep(tmp_path / "scratch", "key", cell)
    found = kept(tmp_path / "scratch", "key")
    assert found is not None
    assert (found.labels, found.predictions) == (cell.labels, cell.predictions)
    assert np.array_equal(found.statistics, statistics)
    assert kept(tmp_path / "scratch", "another") is None
    (tmp_path / "scratch" / "key.json").write_text("{half", encoding="utf-8")
    assert kept(tmp_path / "scratch", "key") is None


def test_warnings_of_tasks_are_told_once_and_those_of_libraries_not(tmp_path: Path) -> None:
    """A folder above a task may bear a library's name, as an environment called ``torch``."""
    import warnings

    import torch

    from xlmerge.runtime.quiet import told

    heard: list[str] = []
    with told(heard.append):
        for _ in range(2):
            warnings.warn("a tag", UserWarning, stacklevel=1)
        warnings.warn_explicit("a library", UserWarning, torch.__file__, 1)
        warnings.warn_explicit("a task", UserWarning, str(tmp_path / "torch" / "x.py"), 1)
        warnings.warn("old", FutureWarning, stacklevel=1)
    assert heard == ["a tag", "a task"]


def test_a_length_without_positions_is_refused() -> None:
    from xlmerge.runtime.positions import check_positions

    config = {"model_type": "xlm-roberta", "max_position_embeddings": 34, "pad_token_id": 1}
    model = SimpleNamespace(config=SimpleNamespace(to_dict=lambda: config))
    check_positions(model, {"max_length": 32})
    with pytest.raises(ModelError, match="positions for 32"):
        check_positions(model, {"max_length": 33})
