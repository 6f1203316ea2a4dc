"""Masked language modelling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xlmerge.errors import DataError, ModelError
from xlmerge.runtime.data import packed
from xlmerge_standard.tasks._modules.masking import masked
from xlmerge_standard.tasks._modules.rows import texts
from xlmerge_standard.tasks._modules.tensors import (
    IGNORED,
    aligned,
    by_input,
    cross_entropy,
    padded,
)
from xlmerge_standard.tasks._modules.vocabulary import (
    guess_metrics,
    guess_statistics,
    guesses_by_row,
    scored,
    vocabulary_logits,
)
from xlmerge_standard.tasks._modules.windows import windows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import torch

    from xlmerge.runtime.live import LiveModel
    from xlmerge.runtime.protocol import Batch, Features, Outputs, Rows

__all__ = ["MaskedLanguageModelling"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedLanguageModelling:
    """See :func:`xlmerge_standard.tasks.masked_lm.masked_lm`.

    Outputs: ``logits``, ``[masked positions of the batch, vocabulary]``. A prediction is the loss
    of a row, its hits, and how many tokens it was asked for.
    """

    max_length: int
    mask_probability: float
    seed: int

    def label_names(self, rows: Rows) -> tuple[str, ...]:  # noqa: ARG002
        """No classes."""
        return ()

    def head_config(self, labels: Sequence[str]) -> dict[str, Any]:  # noqa: ARG002
        """The library's head; it takes the sizes from the model."""
        return {
            "head_type": "masked_lm",
            "vocab_size": None,
            "embedding_size": None,
            "layers": 2,
            "activation_function": "gelu",
            "layer_norm": True,
            "bias": True,
            "shift_labels": False,
            "label2id": None,
        }

    def prepare(self, model: Any) -> None:
        """The library knows this head."""

    def encode(
        self,
        rows: Rows,
        tokenizer: Any,
        labels: Sequence[str],  # noqa: ARG002
        *,
        training: bool,
    ) -> list[dict[str, Any]]:
        """Inputs without masks for training, with fixed ones for evaluations.

        Masks of a training are drawn when a batch is made: see :meth:`collate`.

        Raises:
            DataError: The texts hold no token.
            ModelError: The tokenizer has no mask.
        """
        if tokenizer.mask_token_id is None:
            raise ModelError(
                "masked_lm: the tokenizer of the base model has no mask token",
                hint="use `causal_lm` for a model that reads from left to right",
            )
        if training:
            blocks = packed(texts(rows, "text"), tokenizer, self.max_length)
            found = [_input(at, ids) for at, ids in enumerate(blocks)]
        else:
            found = []
            for at, ids in windows(texts(rows, "text"), tokenizer, self.max_length):
                new, gold = self._masked(ids, tokenizer, (self.seed, len(found)))
                found.append({**_input(at, new), "labels": gold})
        if not found:
            raise DataError("masked_lm: the texts hold no token")
        return found

    def collate(self, features: Sequence[Features], tokenizer: Any) -> Batch:
        """Inputs, and ``labels`` ``[batch, tokens]``.

        A feature of a training is masked here. Its masks depend on ``position``, its number among
        all that are drawn in the training, and on ``mask_seed``, the training's seed (the task's
        if there is none): not on the process that draws it, and not on what was drawn before.

        Raises:
            DataError: A feature without labels has no ``position`` either.
        """
        ready = []
        for feature in features:
            if "labels" in feature:
                ready.append(feature)
                continue
            if "position" not in feature:
                raise DataError(
                    "masked_lm: an input for training needs `position`, its number among all that "
                    "are drawn, so that each epoch masks other tokens"
                )
            key = (feature.get("mask_seed", self.seed), feature["position"])
            new, gold = self._masked(feature["input_ids"], tokenizer, key)
            ready.append({**feature, "input_ids": new, "labels": gold})
        batch = padded(ready, tokenizer)
        width = batch["input_ids"].shape[1]
        labels = [feature["labels"] for feature in ready]
        return {**batch, "labels": aligned(labels, width, IGNORED, tokenizer)}

    def outputs(self, live: LiveModel, batch: Batch) -> Outputs:
        """Logits where a token has to be guessed."""
        return {"logits": vocabulary_logits(live, batch, batch["labels"] != IGNORED)}

    def loss(self, outputs: Outputs, batch: Batch) -> tuple[torch.Tensor, int]:
        """Cross-entropy."""
        labels = batch["labels"]
        return cross_entropy(outputs["logits"], labels[labels != IGNORED])

    def split(
        self,
        outputs: Outputs,
        batch: Batch,
        features: Sequence[Features],  # noqa: ARG002
    ) -> list[dict[str, np.ndarray]]:
        """``nll`` and ``hit`` of each token of an input, in place of its logits."""
        return by_input(scored(outputs, batch["labels"]), batch["attention_mask"])

    def predictions(
        self,
        outputs: Sequence[Mapping[str, np.ndarray]],
        features: Sequence[Features],
        rows: Rows,
        labels: Sequence[str],  # noqa: ARG002
    ) -> list[Any]:
        """Loss, hits and number of masked tokens of each row."""
        return guesses_by_row(outputs, features, len(rows))

    def statistics(
        self,
        predictions: Sequence[Any],
        rows: Rows,  # noqa: ARG002
        labels: Sequence[str],  # noqa: ARG002
    ) -> np.ndarray:
        """The same as numbers."""
        return guess_statistics(predictions)

    def metrics(
        self,
        totals: np.ndarray,
        labels: Sequence[str],  # noqa: ARG002
    ) -> dict[str, np.ndarray]:
        """``perplexity``, ``masked_accuracy``, ``nll``."""
        return guess_metrics(totals, "masked_accuracy")

    def _masked(
        self, ids: Sequence[int], tokenizer: Any, key: tuple[int, int]
    ) -> tuple[list[int], list[int]]:
        return masked(
            ids,
            probability=self.mask_probability,
            key=key,
            mask=tokenizer.mask_token_id,
            special=tokenizer.all_special_ids,
            vocabulary=len(tokenizer),
        )


def _input(row: int, ids: list[int]) -> dict[str, Any]:
    return {"input_ids": ids, "attention_mask": [1] * len(ids), "row": row}
