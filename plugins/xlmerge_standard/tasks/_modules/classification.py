"""Classes of texts and of pairs of texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from xlmerge.errors import ParameterError
from xlmerge.runtime.data import class_ids
from xlmerge_standard.tasks._modules.class_scores import class_counts, class_metrics
from xlmerge_standard.tasks._modules.mean_head import MEAN_HEAD, MeanClassificationHead
from xlmerge_standard.tasks._modules.rows import classes, column, texts
from xlmerge_standard.tasks._modules.tensors import (
    by_input,
    cross_entropy,
    finite,
    inputs_of,
    model_inputs,
    padded,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xlmerge.runtime.live import LiveModel
    from xlmerge.runtime.protocol import Batch, Features, Outputs, Rows

__all__ = ["SequenceClassification"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceClassification:
    """See :func:`xlmerge_standard.tasks.sequence_classification.sequence_classification`.

    Outputs: ``logits``, ``[batch, classes]``. A prediction is the name of a class.
    """

    max_length: int
    pooling: str
    layers: int

    def __post_init__(self) -> None:
        if self.pooling == "mean" and self.layers != 1:
            raise ParameterError(
                "sequence_classification: with `pooling: mean` the head is one linear layer; "
                f"found `layers: {self.layers}`"
            )

    def label_names(self, rows: Rows) -> tuple[str, ...]:
        """Classes in the schema's order, else in that of the alphabet."""
        return classes(rows, "label")

    def head_config(self, labels: Sequence[str]) -> dict[str, Any]:
        """The library's classification head, or the one on the mean."""
        shared = {
            "num_labels": len(labels),
            "label2id": {label: at for at, label in enumerate(labels)},
            "dropout_prob": None,
        }
        if self.pooling == "mean":
            return {"head_type": MEAN_HEAD, **shared}
        return {
            "head_type": "classification",
            **shared,
            "layers": self.layers,
            "activation_function": "tanh",
            "use_pooler": False,
            "bias": True,
        }

    def prepare(self, model: Any) -> None:
        """Make the head on the mean known, so that it can be loaded whatever ``pooling`` says."""
        model.register_custom_head(MEAN_HEAD, MeanClassificationHead)

    def encode(
        self,
        rows: Rows,
        tokenizer: Any,
        labels: Sequence[str],
        *,
        training: bool,  # noqa: ARG002  # both alike
    ) -> list[dict[str, Any]]:
        """One input a row, cut at ``max_length``; of a pair the longer text is cut first."""
        gold = _gold(rows, labels)
        pair = texts(rows, "text_b") if "text_b" in rows.column_names else None
        encoding = tokenizer(
            texts(rows, "text"), pair, truncation=True, max_length=self.max_length, padding=False
        )
        return [
            {**inputs_of(encoding, at), "labels": label, "row": at} for at, label in enumerate(gold)
        ]

    def collate(self, features: Sequence[Features], tokenizer: Any) -> Batch:
        """Inputs, and ``labels`` ``[batch]``."""
        labels = torch.tensor([feature["labels"] for feature in features])
        return {**padded(features, tokenizer), "labels": labels}

    def outputs(self, live: LiveModel, batch: Batch) -> Outputs:
        """Logits of the classes."""
        return {"logits": live.forward(**model_inputs(batch)).logits}

    def loss(self, outputs: Outputs, batch: Batch) -> tuple[torch.Tensor, int]:
        """Cross-entropy."""
        return cross_entropy(outputs["logits"], batch["labels"])

    def split(
        self,
        outputs: Outputs,
        batch: Batch,  # noqa: ARG002
        features: Sequence[Features],  # noqa: ARG002
    ) -> list[dict[str, np.ndarray]]:
        """``logits`` of each input, ``[classes]``."""
        return by_input(outputs)

    def predictions(
        self,
        outputs: Sequence[Mapping[str, np.ndarray]],
        features: Sequence[Features],
        rows: Rows,
        labels: Sequence[str],
    ) -> list[Any]:
        """The likeliest class of each row."""
        found = [""] * len(rows)
        for output, feature in zip(outputs, features, strict=True):
            found[feature["row"]] = labels[int(np.argmax(finite(output["logits"], feature)))]
        return found

    def statistics(
        self, predictions: Sequence[Any], rows: Rows, labels: Sequence[str]
    ) -> np.ndarray:
        """Counts by class, see :func:`class_counts`."""
        places = {label: at for at, label in enumerate(labels)}
        guesses = [places[name] for name in predictions]
        return class_counts(_gold(rows, labels), guesses, len(labels))

    def metrics(
        self,
        totals: np.ndarray,
        labels: Sequence[str],  # noqa: ARG002
    ) -> dict[str, np.ndarray]:
        """``macro_f1`` and ``accuracy``."""
        return class_metrics(totals)


def _gold(rows: Rows, labels: Sequence[str]) -> list[int]:
    """Places of the rows' classes in ``labels``."""
    column(rows, "label")
    return class_ids(rows, "label", labels)
