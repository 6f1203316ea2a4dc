"""Questions on passages in the form of SQuAD, which XQuAD, MLQA and TyDiQA-GoldP share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.errors import DataError
from xlmerge.recipe.wording import found
from xlmerge.runtime.data.objects import json_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["questions"]


def questions(path: Path, _columns: Mapping[str, str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """One row a question: ``id``, ``context``, ``question``, ``answers``, and the article's title.

    ``answers`` holds the lists ``text`` and ``answer_start`` (in characters), empty for a question
    without an answer (SQuAD 2.0). A test set without answers has no column ``answers``.

    Source: Rajpurkar et al. 2016, 2018; Artetxe et al. 2020; Lewis et al. 2020; Clark et al. 2020.

    Yields:
        Number of the question, from 1, and the row.

    Raises:
        DataError: It is of another form, or an answer begins outside of its context.
    """
    number = 0
    document = _object(path, "the file", json_document(path))
    for a, article in enumerate(_list(path, "the file", document, "data")):
        at = f"data[{a}]"
        entry = _object(path, at, article)
        for p, paragraph in enumerate(_list(path, at, entry, "paragraphs")):
            below = f"{at}.paragraphs[{p}]"
            passage = _object(path, below, paragraph)
            context = _text(path, below, passage, "context")
            for q, question in enumerate(_list(path, below, passage, "qas")):
                number += 1
                place = f"{below}.qas[{q}]"
                row = _question(path, place, _object(path, place, question), context)
                yield number, {**row, "title": entry.get("title")}


def _question(path: Path, place: str, question: Mapping[str, Any], context: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": str(question.get("id", place)),
        "context": context,
        "question": _text(path, place, question, "question"),
    }
    if "answers" not in question:
        return row
    texts: list[str] = []
    starts: list[int] = []
    for n, answer in enumerate(_list(path, place, question, "answers")):
        at = f"{place}.answers[{n}]"
        given = _object(path, at, answer)
        text = _text(path, at, given, "text")
        start = given.get("answer_start")
        if type(start) is not int or not 0 <= start < len(context):
            raise DataError(
                f"{path}: {at}.answer_start: expected a character of the context, 0 to "
                f"{len(context) - 1}, found {found(start)}",
                hint="counts of bytes (TyDiQA's primary task) must be turned into characters",
            )
        texts.append(text)
        starts.append(start)
    return {**row, "answers": {"text": texts, "answer_start": starts}}


def _object(path: Path, place: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{path}: {place}: expected an object, found {found(value)}")
    return value


def _list(path: Path, place: str, parent: Mapping[str, Any], key: str) -> list[Any]:
    value = parent.get(key)
    if not isinstance(value, list):
        raise DataError(
            f"{path}: {place}: expected a list `{key}`, found {found(value)}",
            hint="the form is data / paragraphs / qas; for another one say `format: json`",
        )
    return value


def _text(path: Path, place: str, parent: Mapping[str, Any], key: str) -> str:
    value = parent.get(key)
    if not isinstance(value, str):
        raise DataError(f"{path}: {place}: expected a text `{key}`, found {found(value)}")
    return value
