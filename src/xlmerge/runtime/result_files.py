"""What an evaluation leaves: tables in the formats people open, and every prediction."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any

from xlmerge.scores import Measured, Table, score_table, to_csv, to_json, to_markdown, to_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from xlmerge.plan.orders import CellOrder, EvaluateOrder
    from xlmerge.runtime.kept_cells import KeptCell
    from xlmerge.runtime.protocol import Rows, TaskLogic

__all__ = ["row_names", "table_text", "tables", "write_predictions", "write_tables"]

_LONGEST = 100  # characters; file systems take 255 bytes, and a composition may be its own label


def tables(order: EvaluateOrder, logic: TaskLogic, cells: Sequence[KeptCell]) -> dict[str, Table]:
    """A table for each metric, the task's own first.

    Raises:
        DataError: What was measured does not go together.
    """
    task = order.task.descriptor
    labels = cells[0].labels
    names = list(logic.metrics(cells[0].statistics.sum(axis=0), labels))
    names.sort(key=lambda name: name != task.metric)  # stable: the others keep their order
    return {
        name: score_table(
            [
                Measured(
                    row=cell.row,
                    column=cell.column,
                    seed=cell.seed,
                    statistics=kept.statistics,
                    metric=partial(_metric, logic, name, kept.labels),
                )
                for cell, kept in zip(order.cells, cells, strict=True)
            ],
            metric=name,
            greater_is_better=name not in task.losses,
            baseline=order.baseline,
            parallel=order.parallel,
            resamples=order.bootstrap,
            seed=order.seed,
        )
        for name in names
    }


def _metric(logic: TaskLogic, name: str, labels: Sequence[str], totals: Any) -> Any:
    """One metric from sums of statistics."""
    return logic.metrics(totals, labels)[name]


def write_tables(made: dict[str, Table], folder: Path) -> None:
    """``table.md``, ``table.json`` and ``table.csv``; other metrics as ``table.NAME.md`` and so on.

    The CSV has a line for each row, column, seed and metric.
    """
    lines: list[str] = []
    for at, (name, table) in enumerate(made.items()):
        stem = "table" if at == 0 else f"table.{name}"
        (folder / f"{stem}.md").write_text(to_markdown(table), encoding="utf-8")
        (folder / f"{stem}.json").write_text(to_json(table), encoding="utf-8")
        lines += to_csv(table).splitlines(keepends=True)[at > 0 :]
    (folder / "table.csv").write_text("".join(lines), encoding="utf-8")


def row_names(labels: Iterable[str]) -> dict[str, str]:
    """Labels of rows as names of files; labels whose names were the same get a number.

    Args:
        labels: Each as often as one likes. What no file system minds stays as it is.
    """
    made: dict[str, str] = {}
    taken: set[str] = set()
    for label in dict.fromkeys(labels):
        name = plain = re.sub(r"[^\w.-]+", "-", label).strip("-.")[:_LONGEST] or "row"
        number = 1
        while name.casefold() in taken:  # some file systems do not tell capitals apart
            number += 1
            name = f"{plain}-{number}"
        taken.add(name.casefold())
        made[label] = name
    return made


def write_predictions(
    cell: CellOrder, kept: KeptCell, rows: Rows, folder: Path, *, row_name: str
) -> str:
    """``predictions/ROW/COLUMN/SEED.jsonl``: one line a row, with what was to be predicted.

    Args:
        cell: The cell.
        kept: What was predicted.
        rows: Its data.
        folder: The output.
        row_name: Of :func:`row_names`.

    Returns:
        The file's path below the folder.
    """
    seed = "" if cell.seed is None else f"seed-{cell.seed}"
    parts = [part for part in (row_name, *cell.column.split("/"), seed) if part]
    path = folder.joinpath("predictions", *parts[:-1], f"{parts[-1]}.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for row, prediction in zip(rows, kept.predictions, strict=True):
            line = {"prediction": prediction, **_named(row, rows)}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return path.relative_to(folder).as_posix()


def _named(row: Any, rows: Rows) -> dict[str, Any]:
    """A row with classes by their names."""
    return {key: _name(value, rows.features[key]) for key, value in row.items()}


def _name(value: Any, feature: Any) -> Any:
    inner = getattr(feature, "feature", None)
    if inner is not None and isinstance(value, list):
        return [_name(each, inner) for each in value]
    return feature.int2str(value) if hasattr(feature, "int2str") and value is not None else value


def table_text(made: dict[str, Table]) -> str:
    """The first table as text for a terminal."""
    return to_text(next(iter(made.values())))
