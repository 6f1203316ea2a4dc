"""Masked language modelling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xlmerge.errors import DataError, ModelError
from xlmerge.runtime.data import blocks_of
from xlmerge_standard.tasks._modules.language_modelling import LanguageModelling
from xlmerge_standard.tasks._modules.masking import Signs, masked
from xlmerge_standard.tasks._modules.rows import texts
from xlmerge_standard.tasks._modules.vocabulary import guess_metrics
from xlmerge_standard.tasks._modules.windows import windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xlmerge.runtime.protocol import Batch, Features, Rows

__all__ = ["MaskedLanguageModelling"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedLanguageModelling(LanguageModelling):
    """See :func:`xlmerge_standard.tasks.masked_lm.masked_lm`."""

    max_length: int
    mask_probability: float
    packing: bool = True
    seed: int

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
        if training and self.packing:
            blocks = blocks_of(texts(rows, "text"), tokenizer, self.max_length)
            found = [_compact(at, ids) for at, ids in enumerate(blocks)]
        elif training:
            pieces = windows(texts(rows, "text"), tokenizer, self.max_length)
            found = [_compact(at, ids) for at, _, ids in pieces]
        else:
            found, signs = [], Signs.of(tokenizer)
            for at, window, ids in windows(texts(rows, "text"), tokenizer, self.max_length):
                new, gold = self._masked(ids, signs, (self.seed, at, window))
                found.append({**_input(at, new), "labels": gold})
        if not found:
            raise DataError("masked_lm: the texts hold no token")
        return found

    def collate(self, features: Sequence[Features], tokenizer: Any) -> Batch:
        """Inputs, and ``labels`` ``[batch, tokens]``: what stood where a mask is now.

        A feature of a training is masked here. Its masks depend on ``position``, its number among
        all that are drawn in the training, and on ``mask_seed``, the training's seed (the task's
        if there is none): not on the process that draws it, and not on what was drawn before.

        Raises:
            DataError: A feature without labels has no ``position`` either.
        """
        ready, signs = [], Signs.of(tokenizer)
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
            new, gold = self._masked(feature["input_ids"], signs, key)
            ready.append({**feature, "input_ids": new, "labels": gold})
        return LanguageModelling.collate(self, ready, tokenizer)

    def metrics(
        self,
        totals: np.ndarray,
        labels: Sequence[str],  # noqa: ARG002
    ) -> dict[str, np.ndarray]:
        """``perplexity``, ``masked_accuracy``, ``nll``."""
        return guess_metrics(totals, "masked_accuracy")

    def _masked(
        self, ids: Sequence[int], signs: Signs, key: Sequence[int]
    ) -> tuple[list[int], list[int]]:
        return masked(ids, probability=self.mask_probability, key=key, signs=signs)


def _input(row: int, ids: list[int]) -> dict[str, Any]:
    return {"input_ids": ids, "attention_mask": [1] * len(ids), "row": row}


def _compact(row: int, ids: list[int]) -> dict[str, Any]:
    """The same as arrays: a text of millions of words in Python's numbers fills the memory."""
    return {
        "input_ids": np.asarray(ids, dtype=np.int32),
        "attention_mask": np.ones(len(ids), dtype=np.int8),
        "row": row,
    }
