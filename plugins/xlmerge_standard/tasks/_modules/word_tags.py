"""What tagging words has in common, whatever the tags mean."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xlmerge.errors import DataError
from xlmerge.runtime.data.labels import Classes, feature_names
from xlmerge_standard.tasks._modules.rows import classes, column
from xlmerge_standard.tasks._modules.tensors import (
    IGNORED,
    aligned,
    by_input,
    cross_entropy,
    finite,
    model_inputs,
    padded,
)
from xlmerge_standard.tasks._modules.word_windows import word_windows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

    from xlmerge.runtime.live import LiveModel
    from xlmerge.runtime.protocol import Batch, Features, Outputs, Rows

__all__ = ["WordTagging", "gold_tags"]


def gold_tags(rows: Rows, labels: Sequence[str]) -> list[list[str]]:
    """Names of the tags of each row.

    A tag that is one of ``labels`` has their name, whether the data says it by name or by number.

    Raises:
        DataError: They are not lists.
    """
    head, own = Classes(labels), feature_names(rows, "tags")
    known: dict[Any, str] = {}
    found = []
    for at, tags in enumerate(column(rows, "tags")):
        if not isinstance(tags, list):
            raise DataError(f"row {at + 1}: `tags` should be a list; found {tags!r}")
        for tag in tags:
            if tag not in known:
                numbered = own is not None and isinstance(tag, int) and 0 <= tag < len(own)
                spelt = own[tag] if own is not None and numbered else tag
                place = head.index(spelt)
                known[tag] = str(spelt) if place is None else labels[place]
        found.append([known[tag] for tag in tags])
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class WordTagging:
    """A tag for each word.

    Outputs: ``logits``, ``[batch, tokens, tags]``. A prediction is the list of a sentence's tags.
    """

    max_length: int

    def label_names(self, rows: Rows) -> tuple[str, ...]:
        """Tags in the schema's order, else in that of the alphabet."""
        return classes(rows, "tags")

    def head_config(self, labels: Sequence[str]) -> dict[str, Any]:
        """The library's tagging head."""
        return {
            "head_type": "tagging",
            "num_labels": len(labels),
            "layers": 1,
            "activation_function": "tanh",
            "label2id": {label: at for at, label in enumerate(labels)},
            "dropout_prob": None,
        }

    def prepare(self, model: Any) -> None:
        """The library knows this head."""

    def encode(
        self, rows: Rows, tokenizer: Any, labels: Sequence[str], *, training: bool
    ) -> list[dict[str, Any]]:
        """Windows over sentences, labelled at the first token of each word.

        Raises:
            DataError: A sentence is no list of words, or has more or fewer tags than words; or a
                tag is none of the head's. In evaluations a tag that no head has seen counts as an
                error of the model, and a warning says so, unless it is so for all of them.
        """
        sentences, tags = _sentences(rows), gold_tags(rows, labels)
        for at, (words, given) in enumerate(zip(sentences, tags, strict=True)):
            if len(words) != len(given):
                raise DataError(f"row {at + 1}: {len(words)} tokens have {len(given)} tags")
        places = {label: at for at, label in enumerate(labels)}
        _check_tags({tag for given in tags for tag in given}, labels, training=training)
        features = []
        for window in word_windows(sentences, tokenizer, self.max_length):
            gold = [IGNORED] * len(window.ids)
            for word, place in zip(window.words, window.places, strict=True):
                gold[place] = places.get(tags[window.row][word], IGNORED)
            features.append(
                {
                    "input_ids": window.ids,
                    "attention_mask": [1] * len(window.ids),
                    "labels": gold,
                    "row": window.row,
                    "words": window.words,
                    "places": window.places,
                }
            )
        return features

    def collate(self, features: Sequence[Features], tokenizer: Any) -> Batch:
        """Inputs, and ``labels`` ``[batch, tokens]``."""
        batch = padded(features, tokenizer)
        width = batch["input_ids"].shape[1]
        labels = [feature["labels"] for feature in features]
        return {**batch, "labels": aligned(labels, width, IGNORED, tokenizer)}

    def outputs(self, live: LiveModel, batch: Batch) -> Outputs:
        """Logits of the tags at each token."""
        return {"logits": live.forward(**model_inputs(batch)).logits}

    def loss(self, outputs: Outputs, batch: Batch) -> tuple[torch.Tensor, int]:
        """Cross-entropy over words."""
        return cross_entropy(outputs["logits"], batch["labels"])

    def split(
        self,
        outputs: Outputs,
        batch: Batch,
        features: Sequence[Features],  # noqa: ARG002
    ) -> list[dict[str, np.ndarray]]:
        """``logits`` of each input, ``[tokens, tags]``."""
        return by_input(outputs, batch["attention_mask"])

    def predictions(
        self,
        outputs: Sequence[Mapping[str, np.ndarray]],
        features: Sequence[Features],
        rows: Rows,
        labels: Sequence[str],
    ) -> list[Any]:
        """The likeliest tag of each word of each row."""
        found = [[""] * len(words) for words in _sentences(rows)]
        for output, feature in zip(outputs, features, strict=True):
            best = np.argmax(finite(output["logits"], feature)[feature["places"]], axis=-1)
            for word, tag in zip(feature["words"], best, strict=True):
                found[feature["row"]][word] = labels[int(tag)]
        return found


def _sentences(rows: Rows) -> list[list[str]]:
    """Words of each row."""
    sentences = column(rows, "tokens")
    for at, words in enumerate(sentences):
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise DataError(f"row {at + 1}: `tokens` should be a list of words; found {words!r}")
    return sentences


def _check_tags(found: set[str], labels: Sequence[str], *, training: bool) -> None:
    """Refuse or report tags that the head does not have."""
    unknown = sorted(found - set(labels))
    if not unknown:
        return
    message = (
        f"the data has tags that the head has not: {', '.join(unknown)}; it has {', '.join(labels)}"
    )
    if training or len(unknown) == len(found):
        raise DataError(
            message, hint="give the data set trained on all its tags: `labels: [...]`, in order"
        )
    warnings.warn(f"{message}; the words count as errors", stacklevel=3)
