"""What guessing tokens has in common, whichever tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge_standard.tasks._modules.tensors import (
    IGNORED,
    aligned,
    by_input,
    cross_entropy,
    padded,
)
from xlmerge_standard.tasks._modules.vocabulary import (
    guess_statistics,
    guesses_by_row,
    scored,
    vocabulary_logits,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import torch

    from xlmerge.runtime.live import LiveModel
    from xlmerge.runtime.protocol import Batch, Features, Outputs, Rows

__all__ = ["LanguageModelling"]


class LanguageModelling:
    """Guessing tokens.

    Outputs: ``logits``, ``[labels of the batch, vocabulary]``. A prediction is the loss of a row,
    its hits, and how many tokens it was asked for.
    """

    __slots__ = ()

    def label_names(self, rows: Rows) -> tuple[str, ...]:  # noqa: ARG002
        """No classes."""
        return ()

    def collate(self, features: Sequence[Features], tokenizer: Any) -> Batch:
        """Inputs, and ``labels`` ``[batch, tokens]``: what has to be guessed at each position."""
        batch = padded(features, tokenizer)
        width = batch["input_ids"].shape[1]
        labels = [feature["labels"] for feature in features]
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
        """Loss, hits and number of tokens of each row."""
        return guesses_by_row(outputs, features, len(rows))

    def statistics(
        self,
        predictions: Sequence[Any],
        rows: Rows,  # noqa: ARG002
        labels: Sequence[str],  # noqa: ARG002
    ) -> np.ndarray:
        """The same as numbers."""
        return guess_statistics(predictions)
