"""Extractive question answering."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers.data.metrics.squad_metrics import compute_exact, compute_f1, normalize_answer

from xlmerge.errors import DataError, ModelError
from xlmerge_standard.tasks._modules.class_scores import share
from xlmerge_standard.tasks._modules.rows import column, texts
from xlmerge_standard.tasks._modules.spans import best_span, right_answers, token_span
from xlmerge_standard.tasks._modules.tensors import (
    FLOOR,
    aligned,
    at_least_float32,
    by_input,
    finite,
    inputs_of,
    model_inputs,
    padded,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xlmerge.runtime.live import LiveModel
    from xlmerge.runtime.protocol import Batch, Features, Outputs, Rows

__all__ = ["ExtractiveQA"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractiveQA:
    """See :func:`xlmerge_standard.tasks.extractive_qa.extractive_qa`.

    Outputs: ``start`` and ``end``, each ``[batch, tokens]``, ``FLOOR`` outside of the context and
    the first special token. A prediction is the text of an answer.
    """

    max_length: int
    stride: int
    max_answer_length: int

    def label_names(self, rows: Rows) -> tuple[str, ...]:  # noqa: ARG002
        """No classes."""
        return ()

    def head_config(self, labels: Sequence[str]) -> dict[str, Any]:  # noqa: ARG002
        """The library's question-answering head."""
        return {
            "head_type": "question_answering",
            "num_labels": 2,
            "layers": 1,
            "activation_function": "tanh",
            "label2id": None,
            "dropout_prob": None,
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
        """Windows over the context, the whole question before each.

        Trained is the first of the right answers; a window without it teaches "not here".

        Raises:
            DataError: A question is so long that it leaves no room, or an answer is not there.
            ModelError: The tokenizer cannot tell which characters a token is of.
        """
        if not tokenizer.is_fast:
            raise ModelError(
                f"{type(tokenizer).__name__} cannot tell which characters a token is of",
                hint="the base model needs a tokenizer.json (a fast tokenizer)",
            )
        answers = right_answers(rows)
        questions = [question.strip() for question in texts(rows, "question")]
        contexts = texts(rows, "context")
        self._check_room(questions, rows, tokenizer)
        features, lost = [], []
        for row, (question, context) in enumerate(zip(questions, contexts, strict=True)):
            encoding = tokenizer(
                question,
                context,
                truncation="only_second",
                max_length=self.max_length,
                stride=self.stride,
                return_overflowing_tokens=True,
                return_offsets_mapping=True,
            )
            text, start = answers[row][0]
            found = False
            for at, offsets in enumerate(encoding["offset_mapping"]):
                places = [
                    tuple(place) if which == 1 else None
                    for place, which in zip(offsets, encoding.sequence_ids(at), strict=True)
                ]
                inputs = inputs_of(encoding, at)
                nowhere = _first_special(inputs["input_ids"], tokenizer)
                span = token_span(places, start, start + len(text))
                found = found or span is not None
                features.append(
                    {
                        **inputs,
                        "row": row,
                        "offsets": places,
                        "open": [
                            place is not None or token == nowhere
                            for token, place in enumerate(places)
                        ],
                        "span": span or (nowhere, nowhere),
                    }
                )
            if not found:
                lost.append(rows[row]["id"])
        if training and lost:
            warnings.warn(
                f"{len(lost)} of {len(rows)} questions have no input that holds their whole answer "
                f"and teach nothing of it, {lost[0]!r} first; a larger `max_length` or `stride` "
                "helps",
                stacklevel=2,
            )
        return features

    def collate(self, features: Sequence[Features], tokenizer: Any) -> Batch:
        """Inputs, ``open`` ``[batch, tokens]``, and ``start`` and ``end`` ``[batch]``."""
        batch = padded(features, tokenizer)
        width = batch["input_ids"].shape[1]
        left = tokenizer.padding_side == "left"
        shift = [width - len(each["input_ids"]) if left else 0 for each in features]
        spans = [each["span"] for each in features]
        return {
            **batch,
            "open": aligned([each["open"] for each in features], width, False, tokenizer),
            "start": torch.tensor([span[0] + by for span, by in zip(spans, shift, strict=True)]),
            "end": torch.tensor([span[1] + by for span, by in zip(spans, shift, strict=True)]),
        }

    def outputs(self, live: LiveModel, batch: Batch) -> Outputs:
        """Logits of the first and of the last token of the answer."""
        found = live.forward(**model_inputs(batch))
        closed = ~batch["open"]
        return {
            "start": found.start_logits.masked_fill(closed, FLOOR),
            "end": found.end_logits.masked_fill(closed, FLOOR),
        }

    def loss(self, outputs: Outputs, batch: Batch) -> tuple[torch.Tensor, int]:
        """Mean of the cross-entropies of both ends."""
        losses = [
            torch.nn.functional.cross_entropy(
                at_least_float32(outputs[end]), batch[end], reduction="sum"
            )
            for end in ("start", "end")
        ]
        return torch.stack(losses).mean(), len(batch["start"])

    def split(
        self,
        outputs: Outputs,
        batch: Batch,
        features: Sequence[Features],  # noqa: ARG002
    ) -> list[dict[str, np.ndarray]]:
        """``start`` and ``end`` of each input, ``[tokens]``."""
        return by_input(outputs, batch["attention_mask"])

    def predictions(
        self,
        outputs: Sequence[Mapping[str, np.ndarray]],
        features: Sequence[Features],
        rows: Rows,
        labels: Sequence[str],  # noqa: ARG002
    ) -> list[Any]:
        """The likeliest answer of each row over all its windows."""
        contexts = column(rows, "context")
        best: list[tuple[float, str]] = [(-np.inf, "") for _ in contexts]
        for output, feature in zip(outputs, features, strict=True):
            offsets, row = feature["offsets"], feature["row"]
            starts, ends = (_log_softmax(finite(output[end], feature)) for end in ("start", "end"))
            allowed = np.array([place is not None for place in offsets])
            span = best_span(starts, ends, allowed, self.max_answer_length)
            if span is not None and span[0] > best[row][0]:
                score, first, last = span
                text = contexts[row][offsets[first][0] : offsets[last][1]]
                best[row] = (score, text.strip())
        return [text for _, text in best]

    def statistics(
        self,
        predictions: Sequence[Any],
        rows: Rows,
        labels: Sequence[str],  # noqa: ARG002
    ) -> np.ndarray:
        """``[rows, 3]``: F1 and exact match, 0 to 1, and 1."""
        found = np.ones((len(rows), 3))
        for at, (guess, answers) in enumerate(zip(predictions, right_answers(rows), strict=True)):
            # As the library has it: an answer that is nothing but an article is no answer.
            right = [text for text, _ in answers if normalize_answer(text)] or [""]
            found[at, 0] = max(compute_f1(text, guess) for text in right)
            found[at, 1] = max(compute_exact(text, guess) for text in right)
        return found

    def metrics(
        self,
        totals: np.ndarray,
        labels: Sequence[str],  # noqa: ARG002
    ) -> dict[str, np.ndarray]:
        """``f1`` and ``exact_match``."""
        return {
            "f1": share(totals[..., 0], totals[..., 2]),
            "exact_match": share(totals[..., 1], totals[..., 2]),
        }

    def _check_room(self, questions: Sequence[str], rows: Rows, tokenizer: Any) -> None:
        """Refuse what the tokenizer would answer with an error of its own, or never finish."""
        special = tokenizer.num_special_tokens_to_add(pair=True)
        encoded = tokenizer(list(questions), add_special_tokens=False, verbose=False)["input_ids"]
        for name, ids in zip(column(rows, "id"), encoded, strict=True):
            room = self.max_length - special - len(ids)
            if room <= self.stride:
                raise DataError(
                    f"question {name!r}: beside its {len(ids)} tokens an input of "
                    f"{self.max_length} has room for {room} of the context, which is not more than "
                    f"the {self.stride} that inputs share",
                    hint="a larger `max_length`, or a smaller `stride`",
                )


def _first_special(ids: Sequence[int], tokenizer: Any) -> int:
    """The token that stands for "not here"."""
    cls = tokenizer.cls_token_id
    return list(ids).index(cls) if cls in ids else 0


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    """Logarithms of the probabilities: windows, and mixtures of models, can be compared."""
    shifted: np.ndarray = logits - logits.max()
    shifted -= np.log(np.exp(shifted).sum())
    return shifted
