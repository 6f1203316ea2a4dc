"""Multiple choice."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, takewhile
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from xlmerge.errors import DataError
from xlmerge_standard.tasks._modules.class_scores import share
from xlmerge_standard.tasks._modules.rows import column, texts
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

__all__ = ["MultipleChoice"]

# As in Sap et al. 2019 (SIQa, arXiv 1904.09728) for COPA, and after them in XCOPA and MAD-X.
_QUESTIONS = {"cause": "What was the cause?", "effect": "What happened as a result?"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MultipleChoice:
    """See :func:`xlmerge_standard.tasks.multiple_choice.multiple_choice`.

    Outputs: ``logits``, ``[batch, choices]``. A prediction is the number of a choice.
    """

    max_length: int
    layers: int

    def label_names(self, rows: Rows) -> tuple[str, ...]:
        """The columns of the choices: ``choice1`` and so on."""
        names = (f"choice{number}" for number in count(1))
        found = tuple(takewhile(lambda name: name in rows.column_names, names))
        if len(found) < 2:
            raise DataError(
                f"multiple_choice needs `choice1` and `choice2`; found {', '.join(found) or 'none'}"
            )
        return found

    def head_config(self, labels: Sequence[str]) -> dict[str, Any]:
        """The library's multiple-choice head."""
        return {
            "head_type": "multiple_choice",
            "num_choices": len(labels),
            "layers": self.layers,
            "activation_function": "tanh",
            "label2id": {label: at for at, label in enumerate(labels)},
            "use_pooler": False,
            "dropout_prob": None,
        }

    def prepare(self, model: Any) -> None:
        """The library knows this head."""

    def encode(
        self,
        rows: Rows,
        tokenizer: Any,
        labels: Sequence[str],
        *,
        training: bool,  # noqa: ARG002  # both alike
    ) -> list[dict[str, Any]]:
        """One input a row: as many texts as there are choices.

        Raises:
            DataError: There are not as many choices as the head has.
        """
        names = self.label_names(rows)
        if len(names) != len(labels):
            raise DataError(f"the data has {len(names)} choices; the head has {len(labels)}")
        starts, gold = _starts(rows), _gold(rows, len(names))
        encodings = [
            tokenizer(starts, texts(rows, name), truncation=True, max_length=self.max_length)
            for name in names
        ]
        features = []
        for at, label in enumerate(gold):
            choices = [inputs_of(encoding, at) for encoding in encodings]
            inputs = {name: [choice[name] for choice in choices] for name in choices[0]}
            features.append({**inputs, "labels": label, "row": at})
        return features

    def collate(self, features: Sequence[Features], tokenizer: Any) -> Batch:
        """Inputs ``[batch, choices, tokens]``, and ``labels`` ``[batch]``."""
        flat = [
            inputs_of(feature, at)
            for feature in features
            for at in range(len(feature["input_ids"]))
        ]
        inputs = padded(flat, tokenizer)
        shaped = {name: value.unflatten(0, (len(features), -1)) for name, value in inputs.items()}
        return {**shaped, "labels": torch.tensor([feature["labels"] for feature in features])}

    def outputs(self, live: LiveModel, batch: Batch) -> Outputs:
        """Logits of the choices."""
        inputs = model_inputs(batch)
        if (
            live.head is not None
        ):  # a head of transformers, which PEFT's adapters bring, wants all axes
            inputs = {name: value.flatten(0, 1) for name, value in inputs.items()}
        return {"logits": live.forward(**inputs).logits.view(len(batch["labels"]), -1)}

    def loss(self, outputs: Outputs, batch: Batch) -> tuple[torch.Tensor, int]:
        """Cross-entropy over the choices."""
        return cross_entropy(outputs["logits"], batch["labels"])

    def split(
        self,
        outputs: Outputs,
        batch: Batch,  # noqa: ARG002
        features: Sequence[Features],  # noqa: ARG002
    ) -> list[dict[str, np.ndarray]]:
        """``logits`` of each row, ``[choices]``."""
        return by_input(outputs)

    def predictions(
        self,
        outputs: Sequence[Mapping[str, np.ndarray]],
        features: Sequence[Features],
        rows: Rows,
        labels: Sequence[str],  # noqa: ARG002
    ) -> list[Any]:
        """The likeliest choice of each row, counted from 0."""
        found = [-1] * len(rows)
        for output, feature in zip(outputs, features, strict=True):
            found[feature["row"]] = int(np.argmax(finite(output["logits"], feature)))
        return found

    def statistics(
        self, predictions: Sequence[Any], rows: Rows, labels: Sequence[str]
    ) -> np.ndarray:
        """``[rows, 2]``: whether it is right, and 1."""
        gold = np.array(_gold(rows, len(labels)))
        hits = gold == np.array(predictions)
        return np.stack([hits, np.ones_like(hits)], axis=-1).astype(np.float64)

    def metrics(
        self,
        totals: np.ndarray,
        labels: Sequence[str],  # noqa: ARG002
    ) -> dict[str, np.ndarray]:
        """``accuracy``."""
        return {"accuracy": share(totals[..., 0], totals[..., 1])}


def _starts(rows: Rows) -> list[str]:
    """Premises, with their questions."""
    premises = texts(rows, "premise")
    if "question" not in rows.column_names:
        return premises
    asked = texts(rows, "question")
    return [
        f"{premise} {_QUESTIONS.get(question, question)}"
        for premise, question in zip(premises, asked, strict=True)
    ]


def _gold(rows: Rows, choices: int) -> list[int]:
    """Numbers of the right choices; a table of plain text has them as digits."""
    found = column(rows, "label")
    numbers = [int(v) if isinstance(v, str) and v.strip().isdecimal() else v for v in found]
    for at, label in enumerate(numbers):
        if not isinstance(label, int) or not 0 <= label < choices:
            raise DataError(
                f"row {at + 1}: `label` should be the number of a choice, 0 to {choices - 1}; "
                f"found {label!r}"
            )
    return numbers
