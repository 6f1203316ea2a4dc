"""Requests and tasks as short as they can be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.plan.request import DataRequest
from xlmerge.plugin.tasks import Task

if TYPE_CHECKING:
    from pathlib import Path


def task(*columns: str, labels: str | None = None, optional: tuple[str, ...] = ()) -> Task:
    """A task that needs these columns."""
    return Task(
        name="some_task",
        summary="Nothing.",
        source="This test.",
        function=lambda: None,
        columns={column: f"the {column}" for column in columns},
        optional_columns={column: f"perhaps the {column}" for column in optional},
        labels=labels,
        metric="accuracy",
    )


CLASSIFICATION = task("text", "label", labels="label", optional=("id",))
TAGGING = task("tokens", "tags", labels="tags")
LANGUAGE_MODEL = task("text")


def data(start: Path, path: str = ".", **fields: Any) -> DataRequest:
    """A data set called `reviews`."""
    return DataRequest(name="reviews", path=path, start=start, **fields)


def write(folder: Path, **files: str) -> Path:
    """Write texts to files; `test_csv` is the file `test.csv`."""
    for name, text in files.items():
        folder.joinpath(name.replace("_", ".", 1)).write_text(text, encoding="utf-8", newline="")
    return folder
