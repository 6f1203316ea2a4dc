"""Files with one token a line and a blank line between sentences, CoNLL and CoNLL-U among them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from xlmerge.errors import DataError
from xlmerge.runtime.data.lines import lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["one_token_a_line"]

_CONLLU_FIELDS = 10
_NO_WORD = re.compile(r"\d+[-.]\d+")  # a multiword token, which its words follow; an empty node
_DOCUMENT = "-DOCSTART-"


def one_token_a_line(
    path: Path, columns: Mapping[str, str]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Sentences as rows of lists.

    Fields lie between tabs, or between spaces if the first token's line has no tab. Of CoNLL-U,
    comments, lines of multiword tokens and of empty nodes are passed over; of CoNLL-2003, the
    sentences that mark a new document.

    Args:
        path: The file.
        columns: ``{tokens: 1, tags: 3}``: fields by number, counted from 0; a negative number
            counts from the end. Without it, ``tokens`` are the first field and ``tags`` the last.

    Yields:
        Line on which the sentence begins, and the lists ``tokens``, ``tags`` (where there is more
        than one field) and those asked for, by their numbers.

    Raises:
        DataError: A line has another number of fields than the first, or a column is no number.
    """
    tab, width = _form(path)
    fields = _fields(path, columns, width)
    sentence: list[list[str]] = []
    first = 0
    for number, line in enumerate(lines(path), start=1):
        text = line.rstrip("\n")
        if not text.strip():
            if sentence:
                yield from _record(first, sentence, fields)
            sentence = []
            continue
        parts = text.split("\t") if tab else text.split()
        if _is_comment(text, parts, tab=tab, width=width, inside=bool(sentence)):
            continue
        if len(parts) != width:
            raise DataError(
                f"{path}:{number}: expected {width} fields between {'tabs' if tab else 'spaces'}, "
                f"as the first token has, found {len(parts)}",
                hint="write one token a line, each with the same number of fields",
            )
        if width == _CONLLU_FIELDS and tab and _NO_WORD.fullmatch(parts[0]):
            continue
        first = first if sentence else number
        sentence.append(parts)
    if sentence:
        yield from _record(first, sentence, fields)


def _form(path: Path) -> tuple[bool, int]:
    """Whether tabs separate, and the number of fields, both after the first line of a token."""
    for line in lines(path):
        text = line.rstrip("\n")
        if text.strip() and (not text.startswith("#") or "\t" in text):
            return "\t" in text, len(text.split("\t") if "\t" in text else text.split())
    return True, 0


def _is_comment(text: str, parts: list[str], *, tab: bool, width: int, inside: bool) -> bool:
    """Whether a line is a comment; ``#`` can also be a token or its beginning."""
    if not text.startswith("#"):
        return False
    return "\t" not in text if tab else not inside and len(parts) != width


def _fields(path: Path, columns: Mapping[str, str], width: int) -> dict[str, int]:
    """Name of a column to the number of its field."""
    fields = {"tokens": 0, "tags": width - 1} if width > 1 else {"tokens": 0}
    for column, field in columns.items():
        try:
            number = int(field)
        except ValueError:
            raise DataError(
                f"{path}: column {column!r} is said to be {field!r}, but the columns of this "
                f"format have no names",
                hint="give its number, counted from 0: `columns: {tokens: '0', tags: '1'}`",
            ) from None
        if width and not -width <= number < width:
            raise DataError(
                f"{path}: column {column!r} is said to be field {number}, but a token has {width} "
                f"fields, 0 to {width - 1}"
            )
        fields[str(field)] = number
    return fields


def _record(
    first: int, sentence: list[list[str]], fields: Mapping[str, int]
) -> Iterator[tuple[int, dict[str, Any]]]:
    if len(sentence) == 1 and sentence[0][0] == _DOCUMENT:
        return
    yield first, {name: [token[field] for token in sentence] for name, field in fields.items()}
