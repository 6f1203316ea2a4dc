"""Language modelling from left to right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xlmerge.errors import DataError, ModelError
from xlmerge.runtime.data import packed
from xlmerge_standard.tasks._modules.language_modelling import LanguageModelling
from xlmerge_standard.tasks._modules.rows import texts
from xlmerge_standard.tasks._modules.tensors import IGNORED
from xlmerge_standard.tasks._modules.vocabulary import guess_metrics
from xlmerge_standard.tasks._modules.windows import windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from xlmerge.runtime.protocol import Rows

__all__ = ["CausalLanguageModelling"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CausalLanguageModelling(LanguageModelling):
    """See :func:`xlmerge_standard.tasks.causal_lm.causal_lm`.

    Labels stand at the position that guesses them, one before their own.
    """

    max_length: int

    def head_config(self, labels: Sequence[str]) -> dict[str, Any]:  # noqa: ARG002
        """The library's head without further layers, as in models pre-trained for it."""
        return {
            "head_type": "causal_lm",
            "vocab_size": None,
            "embedding_size": None,
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
            "shift_labels": True,
            "label2id": None,
            "dropout_prob": None,
        }

    def prepare(self, model: Any) -> None:
        """Refuse models that see what they have to guess.

        Raises:
            ModelError: It reads in both directions.
        """
        if "masked_lm" in model.head_types and not getattr(model.config, "is_decoder", False):
            raise ModelError(
                f"causal_lm: {model.config.model_type} reads in both directions and would see the "
                "token that it has to guess",
                hint="use `masked_lm` with this base model",
            )

    def encode(
        self,
        rows: Rows,
        tokenizer: Any,
        labels: Sequence[str],  # noqa: ARG002
        *,
        training: bool,
    ) -> list[dict[str, Any]]:
        """Joined inputs for training, rows by themselves for evaluations.

        Raises:
            DataError: The texts hold no token.
        """
        found: list[tuple[int, list[int]]]
        if training:
            found = list(enumerate(packed(texts(rows, "text"), tokenizer, self.max_length)))
        else:
            parts = windows(texts(rows, "text"), tokenizer, self.max_length)
            found = [(row, ids) for row, _, ids in parts]
        if not found:
            raise DataError("causal_lm: the texts hold no token")
        return [
            {
                "input_ids": ids,
                "attention_mask": [1] * len(ids),
                "labels": [*ids[1:], IGNORED],
                "row": row,
            }
            for row, ids in found
        ]

    def metrics(
        self,
        totals: np.ndarray,
        labels: Sequence[str],  # noqa: ARG002
    ) -> dict[str, np.ndarray]:
        """``perplexity``, ``accuracy``, ``nll``."""
        return guess_metrics(totals, "accuracy")
