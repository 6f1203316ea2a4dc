"""Entities spelt as BIO tags."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from seqeval.metrics.sequence_labeling import get_entities

from xlmerge.errors import DataError
from xlmerge_standard.tasks._modules.class_scores import share
from xlmerge_standard.tasks._modules.word_tags import WordTagging, gold_tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xlmerge.runtime.protocol import Rows

__all__ = ["EntityTagging"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityTagging(WordTagging):
    """See :func:`xlmerge_standard.tasks.token_classification.token_classification`."""

    def label_names(self, rows: Rows) -> tuple[str, ...]:
        """Tags in the schema's order, else in that of the alphabet.

        Raises:
            DataError: There are fewer than two, or one is no BIO tag.
        """
        found = WordTagging.label_names(self, rows)
        _check_bio(found)
        return found

    def encode(
        self, rows: Rows, tokenizer: Any, labels: Sequence[str], *, training: bool
    ) -> list[dict[str, Any]]:
        """Windows over sentences, see :meth:`WordTagging.encode`.

        Raises:
            DataError: A tag of the data or of the head is no BIO tag, or as there.
        """
        _check_bio([*labels, *(tag for tags in gold_tags(rows, labels) for tag in tags)])
        return WordTagging.encode(self, rows, tokenizer, labels, training=training)

    def statistics(
        self,
        predictions: Sequence[Any],
        rows: Rows,
        labels: Sequence[str],
    ) -> np.ndarray:
        """``[rows, 5]``: entities found rightly, found, and there; words tagged rightly, words."""
        found = np.zeros((len(rows), 5))
        for at, (gold, guess) in enumerate(zip(gold_tags(rows, labels), predictions, strict=True)):
            there, claimed = set(get_entities(gold)), set(get_entities(list(guess)))
            right = sum(tag == other for tag, other in zip(gold, guess, strict=True))
            found[at] = [len(there & claimed), len(claimed), len(there), right, len(gold)]
        return found

    def metrics(
        self,
        totals: np.ndarray,
        labels: Sequence[str],  # noqa: ARG002
    ) -> dict[str, np.ndarray]:
        """``f1``, ``precision``, ``recall``, ``accuracy``.

        As in seqeval the first three are 0 where nothing was found or nothing was there.
        """
        right, claimed, there, words_right, words = np.moveaxis(np.asarray(totals), -1, 0)
        return {
            "f1": np.nan_to_num(share(2 * right, claimed + there)),
            "precision": np.nan_to_num(share(right, claimed)),
            "recall": np.nan_to_num(share(right, there)),
            "accuracy": share(words_right, words),
        }


def _check_bio(tags: Iterable[str]) -> None:
    """Refuse tags of another scheme, which would count as entities of strange types."""
    for tag in tags:
        if tag != "O" and not re.fullmatch(r"[BI]-.+", tag):
            raise DataError(
                f"token_classification reads BIO tags: B-TYPE, I-TYPE and O; found {tag!r}",
                hint="for tags that are no entities use `tagging`",
            )
