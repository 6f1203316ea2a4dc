"""Comma and tab separated tables, one record a row."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from xlmerge.errors import DataError
from xlmerge.recipe.wording import listing
from xlmerge.runtime.data.lines import lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["comma_separated", "tab_separated"]

_Record = tuple[int, dict[str, Any]]


def comma_separated(path: Path, columns: Mapping[str, str]) -> Iterator[_Record]:
    """Rows of a table after RFC 4180: fields between commas, in quotation marks where need be.

    Args:
        path: The file.
        columns: Column of the task to column of the data. If all of these are numbers, the file
            has no header, and they count its fields from 0.

    Yields:
        Line on which the row begins, and column to text.

    Raises:
        DataError: It is no such table.
    """
    reader = csv.reader(lines(path, newline=""), strict=True)
    return _rows(path, _numbered(path, reader), columns)


def tab_separated(path: Path, columns: Mapping[str, str]) -> Iterator[_Record]:
    """Rows of a table with fields between tabs; a quotation mark is a character like any other.

    Arguments, yields and errors are those of :func:`comma_separated`.
    """
    split = (line.rstrip("\n").split("\t") for line in lines(path))
    fields = ((number, row if row != [""] else []) for number, row in enumerate(split, start=1))
    return _rows(path, fields, columns)


def _numbered(path: Path, reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Rows of :func:`csv.reader`, each with the line that it begins on."""
    while True:
        first = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"{path}:{first}: not comma separated: {error}",
                hint="look for a quotation mark that is not closed, or not doubled within a field",
            ) from error
        yield first, row


def _rows(
    path: Path, fields: Iterator[tuple[int, list[str]]], columns: Mapping[str, str]
) -> Iterator[_Record]:
    header: list[str] | None = None
    for line, row in fields:
        if not row:  # an empty line
            continue
        if header is None:
            header, is_header = _header(path, row, columns)
            if is_header:
                continue
        if len(row) != len(header):
            raise DataError(
                f"{path}:{line}: expected {len(header)} fields ({listing(header)}), found "
                f"{len(row)}",
                hint="a field that holds the separator needs quotation marks around it (csv only)",
            )
        yield line, dict(zip(header, row, strict=True))


def _header(path: Path, row: list[str], columns: Mapping[str, str]) -> tuple[list[str], bool]:
    """Names of the columns, and whether the first row holds them."""
    wanted = [str(name) for name in columns.values()]
    if wanted and all(name.isdecimal() for name in wanted) and not set(wanted) <= set(row):
        return [str(index) for index in range(len(row))], False
    if twice := sorted({name for name in row if row.count(name) > 1}):
        raise DataError(
            f"{path}: more than one column is called {listing(twice)}",
            hint="give each column a name of its own",
        )
    return row, True
