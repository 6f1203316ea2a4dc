"""Logits over the vocabulary where they are needed, and what is scored by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from xlmerge_standard.tasks._modules.class_scores import share
from xlmerge_standard.tasks._modules.tensors import IGNORED, model_inputs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xlmerge.runtime.live import LiveModel
    from xlmerge.runtime.protocol import Batch, Features, Outputs

__all__ = ["guess_metrics", "guess_statistics", "guesses_by_row", "scored", "vocabulary_logits"]


def vocabulary_logits(live: LiveModel, batch: Batch, where: torch.Tensor) -> torch.Tensor:
    """Logits of a language-modelling head of the adapters library at some positions.

    The head's layers, then the inverse of the invertible adapter, then the output embeddings: what
    ``BertStyleMaskedLMHead.forward`` does at all positions. The vocabulary is by far its largest
    factor, and six tokens in seven are not asked for.

    A head of transformers, which PEFT's adapters bring, is run whole.

    Args:
        live: The model; its active head is one of these.
        batch: Inputs ``[batch, tokens]``.
        where: ``[batch, tokens]``, true at the positions that are needed.

    Returns:
        ``[positions, vocabulary]``
    """
    if live.head is None:
        logits: torch.Tensor = live.forward(**model_inputs(batch)).logits
        return logits[where]
    hidden = live.encode(**model_inputs(batch))[where]
    *layers, decoder = live.head
    for layer in layers:
        hidden = layer(hidden)
    # The library's invertible adapters take three axes.
    return decoder(live.inverse(hidden.unsqueeze(0)).squeeze(0))


def scored(outputs: Outputs, labels: torch.Tensor) -> Outputs:
    """Logits at the labels as losses and hits, by feature.

    Args:
        outputs: ``logits``: ``[positions, vocabulary]``.
        labels: ``[batch, tokens]``, ``IGNORED`` outside of the positions.

    Returns:
        ``nll`` and ``hit``, each ``[batch, tokens]`` and 0 outside.
    """
    where = labels != IGNORED
    logits, gold = outputs["logits"].float(), labels[where]
    found = {}
    for name, values in (
        ("nll", torch.nn.functional.cross_entropy(logits, gold, reduction="none")),
        ("hit", (logits.argmax(-1) == gold).float()),
    ):
        found[name] = torch.zeros(labels.shape, device=labels.device).masked_scatter(where, values)
    return found


def guesses_by_row(
    outputs: Sequence[Mapping[str, np.ndarray]], features: Sequence[Features], count: int
) -> list[Any]:
    """Sums over the windows of each row: loss in nats, hits, and how many tokens were asked for."""
    found = [{"nll": 0.0, "hits": 0, "tokens": 0} for _ in range(count)]
    for output, feature in zip(outputs, features, strict=True):
        row = found[feature["row"]]
        row["nll"] += float(np.sum(output["nll"], dtype=np.float64))
        row["hits"] += int(np.sum(output["hit"]))
        row["tokens"] += sum(label != IGNORED for label in feature["labels"])
    return found


def guess_statistics(predictions: Sequence[Any]) -> np.ndarray:
    """``[rows, 3]``: loss, hits, tokens."""
    rows = [[each["nll"], each["hits"], each["tokens"]] for each in predictions]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def guess_metrics(totals: np.ndarray, accuracy: str) -> dict[str, np.ndarray]:
    """``perplexity``, the accuracy under the name given, and ``nll``.

    Args:
        totals: Sums of :func:`guess_statistics`, ``[..., 3]``.
        accuracy: Name of the share of tokens that were guessed, 0 to 100.
    """
    loss, hits, tokens = np.moveaxis(np.asarray(totals, dtype=np.float64), -1, 0)
    nll = np.divide(loss, tokens, out=np.full_like(loss, np.nan), where=tokens > 0)
    with np.errstate(over="ignore"):  # a loss beyond 709 nats has an infinite perplexity
        return {"perplexity": np.exp(nll), accuracy: share(hits, tokens), "nll": nll}
