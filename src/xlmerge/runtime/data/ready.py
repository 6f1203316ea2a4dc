"""Rows that the ``datasets`` library reads by itself: Parquet, and data sets on the hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.errors import DataError, HubError
from xlmerge.plan.split_files import hint_for_no_path
from xlmerge.plan.splits import split_named
from xlmerge.recipe.wording import did_you_mean
from xlmerge.runtime.data.records import no_progress_bars

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xlmerge.plan.request import DataRequest
    from xlmerge.runtime.data.columns import Columns
    from xlmerge.runtime.protocol import Rows

__all__ = ["from_hub", "from_parquet"]


def from_parquet(files: Sequence[Path], columns: Columns, limit: int | None) -> Rows:
    """Rows of Parquet files.

    Raises:
        DataError: A file is no Parquet, or its rows are not what the task needs.
    """
    from datasets import Dataset

    where = ", ".join(str(path) for path in files)
    try:
        with no_progress_bars():
            rows = Dataset.from_parquet([str(path) for path in files])
    except Exception as error:  # of pyarrow and datasets, whose classes change
        raise DataError(
            f"data set {columns.data!r}: {where} cannot be read as Parquet: {_reason(error)}"
        ) from error
    return _taken(rows, columns, limit, where)


def from_hub(request: DataRequest, split: str, columns: Columns, limit: int | None) -> Rows:
    """Rows of a data set on the hub, through the library's cache.

    Raises:
        DataError: It has no such configuration or split, or its rows are not what the task needs.
        HubError: It cannot be fetched.
    """
    from datasets import load_dataset
    from datasets.exceptions import DatasetNotFoundError

    try:
        with no_progress_bars():
            splits: Any = load_dataset(
                request.path,
                request.subset,
                revision=request.revision,
                data_files=dict(request.files) or None,
            )
    except (ConnectionError, OSError, DatasetNotFoundError) as error:
        raise HubError(
            f"data set {request.name!r}: {request.path} is no path here "
            f"({request.start / request.path}), and cannot be fetched from the hub: "
            f"{_reason(error)}",
            hint=hint_for_no_path(request)
            or "check the spelling; without a network, fetch it before, then it is in the cache",
        ) from error
    except ValueError as error:  # an unknown configuration
        raise DataError(
            f"data set {request.name!r}: {request.path}: {_reason(error)}",
            hint="`subset` names the configuration",
        ) from error
    except RuntimeError as error:  # a data set that is a program
        raise DataError(
            f"data set {request.name!r}: {request.path}: {_reason(error)}",
            hint="many have a copy as data: `revision: refs/convert/parquet`",
        ) from error
    name = split_named(split, splits)
    if name is None:
        raise DataError(
            f"data set {request.name!r}: {request.path} has no split {split!r}",
            hint=did_you_mean(split, splits, what="splits"),
        )
    return _taken(splits[name], columns, limit, request.path)


def _taken(rows: Rows, columns: Columns, limit: int | None, where: str) -> Rows:
    """The first rows, checked, with the task's columns."""
    names = columns.among(rows.column_names, where=where)
    if limit is not None:
        rows = rows.select(range(min(limit, len(rows))))
    if not len(rows):
        raise DataError(f"data set {columns.data!r}: no rows in {where}")
    rows = rows.select_columns(list(names.values()))
    rows = rows.rename_columns({source: column for column, source in names.items()})
    for number, row in enumerate(rows.select_columns(list(columns.required)), start=1):
        columns.check(row, place=f"{where}: row {number}")
    return rows


def _reason(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
