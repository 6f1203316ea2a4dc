"""Columns of a data set as lists, looked through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.errors import DataError
from xlmerge.runtime.data import class_names

if TYPE_CHECKING:
    from xlmerge.runtime.protocol import Rows

__all__ = ["classes", "column", "texts"]


def column(rows: Rows, name: str) -> list[Any]:
    """A column as a list.

    Raises:
        DataError: There is none of that name.
    """
    if name not in rows.column_names:
        raise DataError(
            f"the data has no column `{name}`; it has {', '.join(rows.column_names) or 'none'}",
            hint=f"say which one it is: `columns: {{{name}: ...}}` at the data set",
        )
    return list(rows[name][:])  # a slice: one by one, recent releases take 20 µs an entry


def texts(rows: Rows, name: str) -> list[str]:
    """A column of texts.

    Raises:
        DataError: There is none of that name, or something in it is no text.
    """
    values = column(rows, name)
    for at, value in enumerate(values):
        if not isinstance(value, str):
            raise DataError(f"row {at + 1}: `{name}` should be a text; found {value!r}")
    return values


def classes(rows: Rows, name: str) -> tuple[str, ...]:
    """Names of the classes in a column, see :func:`xlmerge.runtime.data.class_names`.

    Raises:
        DataError: There is no such column, or fewer than two classes, so that nothing can be
            learnt.
    """
    column(rows, name)
    found = class_names(rows, name)
    if len(found) < 2:
        raise DataError(
            f"`{name}` should hold two classes or more; found {', '.join(found) or 'none'}"
        )
    return found
