"""JSON: an object a line, or a list of objects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from xlmerge.errors import DataError
from xlmerge.recipe.wording import found
from xlmerge.runtime.data.lines import lines, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["json_document", "json_lines", "json_list"]

_Record = tuple[int, dict[str, Any]]


def json_lines(path: Path, _columns: Mapping[str, str]) -> Iterator[_Record]:
    """Rows of a file with one JSON object a line; empty lines are passed over.

    Yields:
        Number of the line, and the object.

    Raises:
        DataError: A line is no JSON object.
    """
    for number, line in enumerate(lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{path}:{number}: no JSON: {error}",
                hint="this format has one object a line; a list over several lines is `json`",
            ) from error
        if not isinstance(row, dict):
            raise DataError(f"{path}:{number}: expected an object, found {found(row)}")
        yield number, row


def json_list(path: Path, _columns: Mapping[str, str]) -> Iterator[_Record]:
    """Rows of a file that is a list of objects, or an object with such a list as ``data``.

    Yields:
        Number of the object, from 1, and the object.

    Raises:
        DataError: It is something else.
    """
    document = json_document(path)
    rows = document.get("data") if isinstance(document, dict) else document
    if not isinstance(rows, list):
        raise DataError(
            f"{path}: expected a list of objects, or an object with such a list as `data`; found "
            f"{found(document)}",
            hint="one object a line is the format `jsonl`",
        )
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise DataError(f"{path}: row {number}: expected an object, found {found(row)}")
        if "paragraphs" in row:
            raise DataError(
                f"{path}: the rows hold paragraphs with questions, as SQuAD's do",
                hint="say `format: squad`",
            )
        yield number, row


def json_document(path: Path) -> Any:
    """What a file of JSON holds.

    Raises:
        DataError: It is no JSON.
    """
    try:
        return json.loads(text_of(path))
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: no JSON: {error}", hint="one object a line is the format `jsonl`"
        ) from error
