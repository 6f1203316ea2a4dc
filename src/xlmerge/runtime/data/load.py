"""A split of a data set, checked, with its columns named as a task asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.errors import DataError
from xlmerge.plan.split_files import data_files, file_format
from xlmerge.plan.splits import split_named
from xlmerge.recipe.wording import did_you_mean
from xlmerge.runtime.data.columns import columns_for
from xlmerge.runtime.data.labels import Classes, class_ids
from xlmerge.runtime.data.ready import from_hub, from_parquet
from xlmerge.runtime.data.records import cached_rows, no_progress_bars

if TYPE_CHECKING:
    from pathlib import Path

    from xlmerge.plan.request import DataRequest
    from xlmerge.plugin.tasks import Task
    from xlmerge.runtime.protocol import Rows

__all__ = ["load_rows"]


def load_rows(request: DataRequest, split: str, task: Task) -> Rows:
    """Read a split of a data set.

    Text files are parsed once: the ``datasets`` library keeps the rows in its cache, under the
    hash of the files' content.

    Args:
        request: The data set.
        split: Name of the split; ``validation``, ``valid``, ``val`` and ``dev`` are one.
        task: The task whose columns are wanted.

    Returns:
        The rows, with the task's columns alone, optional ones where they are there. If the request
        declares labels, those of the task's label column are numbers, and the features of the
        column carry the names (see :mod:`xlmerge.runtime.data.labels`).

    Raises:
        DataError: The split, a column or a value is missing, a file is not of its format, a label
            is none of those declared, or there are no rows.
        HubError: A data set on the hub cannot be fetched.
    """
    columns = columns_for(request, task)
    classes = Classes(request.labels) if request.labels and task.labels else None
    limit = _limit(request, split)
    files = data_files(request)
    if not files:
        return _named(from_hub(request, split, columns, limit), task.labels, classes)
    paths, told = _chosen(request, split, files)
    if told == "parquet":
        return _named(from_parquet(paths, columns, limit), task.labels, classes)
    labels = (task.labels, classes) if task.labels and classes else None
    rows = cached_rows(paths, told, columns, request.columns, limit=limit, labels=labels)
    return _with_names(rows, task.labels, classes)


def _chosen(
    request: DataRequest, split: str, files: dict[str, list[Path]]
) -> tuple[list[Path], str]:
    """Files of a split, and their format."""
    name = split_named(split, files)
    if name is None:
        raise DataError(
            f"data set {request.name!r} has no split {split!r} in {request.path}",
            hint=f"{did_you_mean(split, files, what='splits')}; another file is named by `files: "
            f"{{{split}: NAME}}`",
        )
    formats = sorted({file_format(request, path) for path in files[name]})
    if len(formats) > 1:
        raise DataError(
            f"data set {request.name!r}: the files of the split {name!r} are of different formats: "
            f"{', '.join(formats)}",
            hint="name files of one format, or say `format:`",
        )
    return files[name], formats[0]


def _limit(request: DataRequest, split: str) -> int | None:
    name = split_named(split, request.limit)
    if name is None:
        return None
    limit = request.limit[name]
    if limit < 1:
        raise DataError(
            f"data set {request.name!r}: `limit`: {name}: expected at least 1 row, found {limit}"
        )
    return limit


def _named(rows: Rows, column: str | None, classes: Classes | None) -> Rows:
    """Rows whose labels, whatever the library read, are numbers that the features name."""
    if column is None or classes is None or column not in rows.column_names:
        return rows
    ids = class_ids(rows, column, classes.names)
    return _with_names(rows.remove_columns(column).add_column(column, ids), column, classes)


def _with_names(rows: Rows, column: str | None, classes: Classes | None) -> Rows:
    """Rows whose numbers in the label column are named by its features."""
    if classes is None or column not in rows.column_names:
        return rows
    from datasets import ClassLabel, Features

    names: Any = ClassLabel(names=list(classes.names))
    listed = isinstance(rows[0][column], list)
    features = Features({**rows.features, column: _list_of(names) if listed else names})
    with no_progress_bars():
        return rows.cast(features)


def _list_of(feature: Any) -> Any:
    """The feature for lists, whose class has another name since datasets 4."""
    import datasets

    return getattr(datasets, "List", datasets.Sequence)(feature)
