"""The columns that a task asks for, found among those of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xlmerge.errors import DataError
from xlmerge.recipe.wording import found, listing, nearest, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from xlmerge.plan.request import DataRequest
    from xlmerge.plugin.tasks import Task

__all__ = ["Columns", "columns_for"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns of the data a task takes.

    Attributes:
        data: Name of the data set, for messages.
        required: The task's column to the data's.
        optional: The same, for columns that need not be there.
        about: What the task's columns hold.
        task: Name of the task, for messages.
    """

    data: str
    required: Mapping[str, str]
    optional: Mapping[str, str]
    about: Mapping[str, str]
    task: str

    def among(self, names: Iterable[str], *, where: object) -> dict[str, str]:
        """The task's columns that are there, to the data's.

        Args:
            names: Columns of the data.
            where: File or id, for messages.

        Raises:
            DataError: A required one is not among them.
        """
        there = list(names)
        for column, source in self.required.items():
            if source not in there:
                said = "" if source == column else f", which `columns` says is {source!r}"
                raise DataError(
                    f"data set {self.data!r}: the task {self.task} needs the column {column!r} "
                    f"({self.about[column]}){said}, but {where} has none of that name; its columns "
                    f"are {listing(there)}",
                    hint=_hint(column, source, there),
                )
        optional = {name: source for name, source in self.optional.items() if source in there}
        return {**self.required, **optional}

    def check(self, row: Mapping[str, Any], *, place: str) -> None:
        """See that a row, its columns named as the task names them, lacks nothing.

        Raises:
            DataError: A required value is missing or empty.
        """
        for column in self.required:
            value = row[column]
            if value is None or (isinstance(value, float) and value != value):  # noqa: PLR0124
                state = "no value"
            elif isinstance(value, str) and not value.strip():
                state = "an empty text"
            elif isinstance(value, list) and not value:
                state = "an empty list"
            elif isinstance(value, list) and any(each is None or each == "" for each in value):
                state = "a list with an empty entry"
            else:
                continue
            raise DataError(
                f"data set {self.data!r}: {place}: the column {column!r} has {state}; found "
                f"{_excerpt(row)}",
                hint="fill it in or leave the row out; every row counts in a score",
            )


def columns_for(request: DataRequest, task: Task) -> Columns:
    """What a task takes from a data set.

    Raises:
        DataError: Two of the task's columns are said to be the same one of the data.
    """
    asked = {**task.columns, **task.optional_columns}
    sources = {column: str(request.columns.get(column, column)) for column in asked}
    meant = [column for column in asked if column in task.columns or column in request.columns]
    by_source: dict[str, str] = {}
    for column in meant:
        other = by_source.setdefault(sources[column], column)
        if other != column:
            raise DataError(
                f"data set {request.name!r}: {other!r} and {column!r} are the same column of the "
                f"data, {sources[column]!r}",
                hint=f"give each its own: `columns: {{{other}: NAME, {column}: NAME}}`",
            )
    return Columns(
        data=request.name,
        required={column: sources[column] for column in task.columns},
        optional={
            column: sources[column]
            for column in task.optional_columns
            if column in meant or sources[column] not in by_source
        },
        about={column: text.strip().rstrip(".") for column, text in asked.items()},
        task=task.name,
    )


def _hint(column: str, source: str, there: list[str]) -> str:
    if len(there) == 1 and any(separator in there[0] for separator in ";\t|"):
        return "the header is a single column: fields lie between commas in csv, tabs in tsv"
    near = nearest(source, there)
    guess = near[0] if near else "NAME"
    return f"say which column of the data it is: `columns: {{{column}: {guess}}}`"


def _excerpt(row: Mapping[str, Any]) -> str:
    """A row as a message can bear it."""
    texts = (
        f"{name}={shortened(value)!r}" if isinstance(value, str) else f"{name}: {found(value)}"
        for name, value in row.items()
    )
    return ", ".join(texts)
