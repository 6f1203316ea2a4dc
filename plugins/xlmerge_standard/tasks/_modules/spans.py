"""Answers as spans of tokens, and back as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xlmerge.errors import DataError
from xlmerge_standard.tasks._modules.rows import column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xlmerge.runtime.protocol import Rows

__all__ = ["best_span", "right_answers", "token_span"]


def right_answers(rows: Rows) -> list[list[tuple[str, int]]]:
    """The right answers of each row: text, and where it begins in the context.

    Raises:
        DataError: A column is missing, a question has no answer, or one does not stand where it is
            said to.
    """
    found = []
    columns = (column(rows, name) for name in ("id", "context", "answers"))
    for name, context, answers in zip(*columns, strict=True):
        try:
            pairs = list(zip(answers["text"], answers["answer_start"], strict=True))
        except (TypeError, KeyError, ValueError) as error:
            raise DataError(
                f"question {name!r}: `answers` should have lists `text` and `answer_start` of one "
                f"length; found {answers!r}"
            ) from error
        if not pairs:
            raise DataError(
                f"question {name!r} has no answer",
                hint="extractive_qa follows SQuAD 1.1: leave unanswerable questions out",
            )
        for text, start in pairs:
            there = context[start : start + len(text)]
            if not text or there != text:
                raise DataError(
                    f"question {name!r}: the answer {text!r} should stand at character {start} of "
                    f"its context; found {there!r}",
                    hint="`answer_start` counts characters, not bytes",
                )
        found.append(pairs)
    return found


def token_span(
    offsets: Sequence[tuple[int, int] | None], start: int, end: int
) -> tuple[int, int] | None:
    """First and last token of characters ``start`` to ``end``; None if a window lacks a part.

    Characters that no token is of, such as spaces, are nobody's part.

    Args:
        offsets: Characters of each token; None for tokens that are not of the context.
        start: First character.
        end: Character behind the last.
    """
    known = [(at, *place) for at, place in enumerate(offsets) if place is not None]
    inside = [each for each in known if each[1] < end and each[2] > start]
    if not inside:
        return None
    first, last = inside[0], inside[-1]
    # At the edge of a window, what is missing may be in the next one.
    begun = first[1] <= start or first is not known[0]
    ended = last[2] >= end or last is not known[-1]
    return (first[0], last[0]) if begun and ended else None


def best_span(
    starts: np.ndarray, ends: np.ndarray, allowed: np.ndarray, longest: int
) -> tuple[float, int, int] | None:
    """The span with the largest sum of scores.

    Args:
        starts: Scores of each token as the first, ``[tokens]``.
        ends: As the last.
        allowed: Where a span may begin and end.
        longest: Tokens of the longest span.

    Returns:
        The sum, first and last token; the first of equals; None if nothing is allowed.
    """
    starts, ends = np.where(allowed, starts, -np.inf), np.where(allowed, ends, -np.inf)
    best: Any = None
    for length in range(min(longest, len(starts))):
        sums = starts[: len(starts) - length] + ends[length:]
        at = int(np.argmax(sums))
        if np.isfinite(sums[at]) and (best is None or sums[at] > best[0]):
            best = (float(sums[at]), at, at + length)
    found: tuple[float, int, int] | None = best
    return found
