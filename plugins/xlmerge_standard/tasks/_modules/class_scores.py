"""Accuracy and macro-F1 from counts that add up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["class_counts", "class_metrics", "share"]


def class_counts(gold: Sequence[int], predicted: Sequence[int], classes: int) -> np.ndarray:
    """Counts by row.

    Args:
        gold: Class of each row.
        predicted: What was predicted.
        classes: How many there are.

    Returns:
        ``[rows, 3 * classes]``: for each class whether it was rightly predicted, then whether it
        was predicted, then whether it was the label.
    """
    hot = np.eye(classes)
    right, guess = hot[list(gold)], hot[list(predicted)]
    return np.concatenate([right * guess, guess, right], axis=-1)


def class_metrics(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Macro-F1 over the classes that were labels or predictions, and accuracy.

    Args:
        totals: Sums of :func:`class_counts`, ``[..., 3 * classes]``.

    Returns:
        Each ``[...]``, 0 to 100; not a number where there were no rows.
    """
    hits, guesses, labels = np.split(np.asarray(totals, dtype=np.float64), 3, axis=-1)
    both = guesses + labels
    scores = np.divide(2 * hits, both, out=np.zeros_like(both), where=both > 0)
    return {
        "macro_f1": share(scores.sum(-1), (both > 0).sum(-1)),
        "accuracy": share(hits.sum(-1), labels.sum(-1)),
    }


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``100 * part / whole``; not a number where the whole is nothing."""
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    ratio: np.ndarray = np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0)
    return 100 * ratio
