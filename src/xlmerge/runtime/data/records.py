"""Rows of text files: read by our readers, kept by the ``datasets`` library."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlmerge.checkpoint.hashing import sha256
from xlmerge.errors import DataError, XLMergeError
from xlmerge.recipe.wording import found, listing
from xlmerge.runtime.data.columns import Columns
from xlmerge.runtime.data.conll import one_token_a_line
from xlmerge.runtime.data.labels import Classes
from xlmerge.runtime.data.objects import json_lines, json_list
from xlmerge.runtime.data.plain import plain_text
from xlmerge.runtime.data.squad import questions
from xlmerge.runtime.data.tables import comma_separated, tab_separated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from xlmerge.runtime.protocol import Rows

__all__ = ["cached_rows", "no_progress_bars"]

_VERSION = 1  # to be raised when a reader gives other rows for the same file
_BY_LINE = {
    "csv": comma_separated,
    "tsv": tab_separated,
    "jsonl": json_lines,
    "text": plain_text,
    "conll": one_token_a_line,
}
_BY_NUMBER = {"json": json_list, "squad": questions}


def cached_rows(
    files: Sequence[Path],
    told: str,
    columns: Columns,
    named: Mapping[str, str],
    *,
    limit: int | None,
    labels: tuple[str, Classes] | None,
) -> Rows:
    """Rows of files, one file after the other.

    Args:
        files: The files.
        told: Their format.
        columns: What the task takes.
        named: ``columns`` of the request, for formats whose columns have numbers.
        limit: Number of rows to take from the beginning; None for all.
        labels: Label column of the task and its classes, to turn labels into numbers.

    Raises:
        DataError: As :func:`xlmerge.runtime.data.load_rows` says.
    """
    from datasets import Dataset
    from datasets.exceptions import DatasetGenerationError

    paths = tuple(str(path) for path in files)
    arguments = {
        "files": paths,
        "told": told,
        "columns": asdict(columns),
        "named": {name: str(source) for name, source in named.items()},
        "limit": limit,
        "label_column": labels and labels[0],
        "label_names": labels and labels[1].names,
        "content": (_VERSION, *(_hash(path) for path in files)),
    }
    try:
        with no_progress_bars():
            return Dataset.from_generator(_rows, gen_kwargs=arguments)
    except DatasetGenerationError as error:
        cause = error.__cause__ or error.__context__
        if isinstance(cause, XLMergeError):
            raise cause from None
        raise DataError(
            f"data set {columns.data!r}: {', '.join(paths)} cannot be kept as rows: "
            f"{cause or error}"
        ) from error


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """The library's progress bars are off within, and afterwards as they were."""
    from datasets.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    were_off = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not were_off:
            enable_progress_bars()


def _hash(path: Path) -> str:
    try:
        return sha256(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def _rows(  # noqa: PLR0913, the library hashes each argument for its cache
    *,
    files: tuple[str, ...],
    told: str,
    columns: dict[str, Any],
    named: dict[str, str],
    limit: int | None,
    label_column: str | None,
    label_names: tuple[str, ...] | None,
    content: tuple[int | str, ...],
) -> Iterator[dict[str, Any]]:
    """All rows of all files, in the library's writer."""
    del content  # part of the key alone
    wanted = Columns(**columns)
    classes = None if label_names is None else Classes(label_names)
    kinds: dict[str, type] = {}
    number = 0
    every = (each for path in files for each in _mapped(wanted, Path(path), told, named))
    for number, (place, row) in enumerate(islice(every, limit), start=1):
        wanted.check(row, place=place)
        if classes is not None and row.get(str(label_column)) is not None:
            where = f"data set {wanted.data!r}: {place}"
            row[str(label_column)] = classes.encode(row[str(label_column)], place=where)
        _keep_kinds(kinds, row, f"data set {wanted.data!r}: {place}", first=number == 1)
        yield row
    if not number:
        raise DataError(
            f"data set {wanted.data!r}: no rows in {', '.join(files)}",
            hint="is it the file that was meant, and of the format that was meant?",
        )


def _mapped(
    wanted: Columns, path: Path, told: str, named: Mapping[str, str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a file, their columns named as the task names them, each with its place."""
    names: dict[str, str] = {}
    read = {**_BY_LINE, **_BY_NUMBER}[told]
    for number, record in read(path, named):
        place = f"{path}:{number}" if told in _BY_LINE else f"{path}: row {number}"
        names = names or wanted.among(record, where=path)
        late = [name for name in wanted.optional if name not in names]
        for name in late:
            if record.get(wanted.optional[name]) is not None:
                raise DataError(
                    f"data set {wanted.data!r}: {place}: there is a column "
                    f"{wanted.optional[name]!r}, which the first row lacks",
                    hint="give every row the same columns; `null` where there is no value",
                )
        yield place, {name: record.get(source) for name, source in names.items()}


def _keep_kinds(kinds: dict[str, type], row: Mapping[str, Any], place: str, *, first: bool) -> None:
    """See that a column holds values of one kind, and all rows have the same columns."""
    if first:
        kinds.update(dict.fromkeys(row, type(None)))
    elif kinds.keys() != row.keys():
        raise DataError(
            f"{place}: the columns are {listing(row)}, in the file before {listing(kinds)}",
            hint="files of one split need the same columns",
        )
    for name, value in row.items():
        if kinds[name] is type(None):
            kinds[name] = type(value)
        elif value is not None and type(value) is not kinds[name]:
            raise DataError(
                f"{place}: the column {name!r} has {found(value)}, but values of the type "
                f"{kinds[name].__name__} in the rows before",
                hint="write the whole column in one way",
            )
