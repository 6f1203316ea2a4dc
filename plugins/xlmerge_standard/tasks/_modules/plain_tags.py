"""Tags that stand for themselves."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xlmerge_standard.tasks._modules.class_scores import class_metrics, share
from xlmerge_standard.tasks._modules.word_tags import WordTagging, gold_tags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xlmerge.runtime.protocol import Rows

__all__ = ["PlainTagging"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainTagging(WordTagging):
    """See :func:`xlmerge_standard.tasks.tagging.tagging`."""

    def statistics(
        self, predictions: Sequence[Any], rows: Rows, labels: Sequence[str]
    ) -> np.ndarray:
        """``[rows, 3 * tags + 1]``: hits, predictions and words of each tag, and all words."""
        found = np.zeros((len(rows), 3 * len(labels) + 1))
        for at, (gold, guess) in enumerate(zip(gold_tags(rows, labels), predictions, strict=True)):
            hits = Counter(tag for tag, other in zip(gold, guess, strict=True) if tag == other)
            counts = (hits, Counter(guess), Counter(gold))
            found[at] = [*(count[label] for count in counts for label in labels), len(gold)]
        return found

    def metrics(
        self,
        totals: np.ndarray,
        labels: Sequence[str],
    ) -> dict[str, np.ndarray]:
        """``accuracy`` over all words, those with a tag unknown to the head too; ``macro_f1``."""
        hits = totals[..., : len(labels)].sum(-1)
        return {
            "accuracy": share(hits, totals[..., -1]),
            "macro_f1": class_metrics(totals[..., :-1])["macro_f1"],
        }
