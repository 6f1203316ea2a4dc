"""Steps that need a live model, as the core orders them."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

from xlmerge.errors import DataError
from xlmerge.plan.split_files import data_files, is_local
from xlmerge.plan.splits import canonical_split, split_named
from xlmerge.runtime.data.load import load_rows
from xlmerge.runtime.evaluation import Evaluation
from xlmerge.runtime.live import LiveModel
from xlmerge.runtime.positions import check_positions
from xlmerge.runtime.quiet import told
from xlmerge.runtime.result_files import (
    row_names,
    table_text,
    tables,
    write_predictions,
    write_tables,
)
from xlmerge.runtime.surroundings import surroundings
from xlmerge.runtime.training import Training

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xlmerge.plan.orders import EvaluateOrder, TrainOrder
    from xlmerge.plan.request import DataRequest
    from xlmerge.plugin.tasks import Task
    from xlmerge.runtime.protocol import Rows, TaskLogic

__all__ = ["evaluate", "train"]

_SPLITS = ("train", "validation", "test")


def train(order: TrainOrder) -> dict[str, Any]:
    """Carry out a training; its adapter lies in the order's output folder afterwards.

    Returns:
        The report; ``summary`` is one line for people.

    Raises:
        XLMergeError: The data, the model or the training is not as it has to be.
    """
    trainer = order.trainer.descriptor
    if order.task is None:  # plugins are refused whose trainers have none
        raise DataError(f"{order.step}: {trainer.name} names no task to read its data by")
    task = order.task.descriptor
    logic: TaskLogic = task.function(**order.task_options)
    data = _data(order, task)
    labels = _labels(order, logic, data)
    live = LiveModel.load(
        order.base_model + (f"@{order.revision}" if order.revision else ""),
        start=order.start,
        registry=order.registry,
        device=order.device,
        dtype=order.dtype,
        attention=trainer.attention_for(order.parameters),
    )
    logic.prepare(live.model)
    check_positions(live.model, order.task_options)
    work = Training(
        live=live,
        name=order.adapter_name,
        task=logic,
        labels=labels,
        data={
            role: sources if role in trainer.many else sources[0][0]
            for role, sources in data.items()
        },
        adapter=order.adapter or {},
        output=order.output,
        scratch=order.scratch,
        seed=order.seed,
        on=order.tree,
        on_each=order.trees,
        folders=order.folders,
        metric=task.metric,
        greater_is_better=task.greater_is_better,
        columns=trainer.columns,
        names={role: [request.name for request, _ in order.data[role]] for role in data},
        progress=order.progress,
    )
    with told(order.warn):
        trainer.function(work, **order.parameters)
    report = {**work.report, **surroundings(live)}
    # The loop and its callbacks hold each other, and with them the model and all inputs: a recipe
    # of many trainings must not keep them until Python thinks of looking.
    del work, live, data
    gc.collect()
    return report


def _data(order: TrainOrder, task: Task) -> dict[str, list[tuple[Rows, float | None]]]:
    """Role to rows with their sampling weights; roles that may be missing and are, are left out."""
    data = {}
    for role, requests in order.data.items():
        named = role not in order.if_present
        splits = [_split(request, role, named=named) for request, _ in requests]
        if role in order.if_present and None in splits:
            continue
        data[role] = [
            (load_rows(request, split or role, task), weight)
            for (request, weight), split in zip(requests, splits, strict=True)
        ]
    return data


def _split(request: DataRequest, role: str, *, named: bool) -> str | None:
    """The split of a data set that a role takes; None if it has none of that name.

    A role that is called like no split (``source``) takes the training data. A data set that was
    named for this role gives its only split, whatever that is called.
    """
    wanted = role if canonical_split(role) in _SPLITS else "train"
    if not is_local(request):
        return wanted
    there = data_files(request)
    found = split_named(wanted, there)
    if found is None and len(there) == 1 and named:
        return next(iter(there))
    return found


def _labels(
    order: TrainOrder, logic: TaskLogic, data: dict[str, list[tuple[Rows, float | None]]]
) -> Sequence[str]:
    """Names of the classes: those of the first data set, which the others have to keep to."""
    every = [(role, rows) for role, sources in data.items() for rows, _ in sources]
    labels = logic.label_names(every[0][1])
    for role, rows in every[1:]:
        others = logic.label_names(rows)
        if strangers := [name for name in others if name not in labels]:
            raise DataError(
                f"{order.step}: the data for `{role}` has the labels {', '.join(strangers)}, which "
                f"the data for `{every[0][0]}` has not: {', '.join(labels)}",
                hint="declare the `labels` of the data sets, all of them in one order",
            )
    return labels


def evaluate(order: EvaluateOrder) -> dict[str, Any]:
    """Carry out an evaluation; its tables and predictions lie in the output folder afterwards.

    Returns:
        The report: ``table_text`` for a terminal, ``summary``, and the figures.

    Raises:
        XLMergeError: The data, the model or a composition is not as it has to be.
    """
    logic: TaskLogic = order.task.descriptor.function(**order.task_options)
    evaluation = Evaluation(order, logic)
    cells = evaluation.cells()
    made = tables(order, logic, cells)
    write_tables(made, order.output)
    names = row_names(cell.row for cell in order.cells)
    files = [
        write_predictions(cell, kept, evaluation.rows(cell), order.output, row_name=names[cell.row])
        for cell, kept in zip(order.cells, cells, strict=True)
    ]
    metric, table = next(iter(made.items()))
    return {
        **({} if evaluation.live is None else surroundings(evaluation.live)),
        "summary": f"{_count(table.rows, 'row')}, {_count(table.columns, 'column')}, {metric}",
        "table_text": table_text(made),
        "metric": metric,
        "scores": {
            row: {
                column: table.scores[row, column].mean
                for column in table.columns
                if (row, column) in table.scores
            }
            for row in table.rows
        },
        "predictions": files,
    }


def _count(found: Sequence[str], noun: str) -> str:
    return f"{len(found)} {noun}{'' if len(found) == 1 else 's'}"
