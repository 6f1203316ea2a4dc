"""An evaluation that has passed all checks that need no numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from xlmerge.errors import CheckpointError, XLMergeError
from xlmerge.plan.data_roles import check_split
from xlmerge.plan.fitting import check_fits
from xlmerge.plan.lengths import check_length
from xlmerge.plan.live_values import EVALUATION_OPTIONS, checked_values
from xlmerge.plan.problems import Problems, nearest
from xlmerge.plan.references import find_local
from xlmerge.plan.train_step import describe_data
from xlmerge.plan.trees import check_libraries, check_tree, is_around
from xlmerge.plugin.trees import Leaf, leaves, tree_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from xlmerge.plan.base_model import LocatedBase
    from xlmerge.plan.context import PlanContext
    from xlmerge.plan.request import Cell, EvaluateRequest, HeadRequest, Place
    from xlmerge.plugin.composition import CompositionRule
    from xlmerge.plugin.registry import Registered
    from xlmerge.plugin.tasks import Task
    from xlmerge.plugin.trees import Tree

__all__ = ["EvaluateStepPlan", "describe_cell", "plan_evaluation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateStepPlan:
    """One table of scores.

    Attributes:
        name: Name of the step.
        task: The task and who provides it.
        task_options: Values of its options, defaults filled in.
        split: Split of the data sets.
        columns: Variables whose values make the columns.
        cells: All scores, row by row.
        baseline: Row that the others are compared with.
        rules: The rules of all compositions by name.
        batch_size: Inputs in a batch.
        bootstrap: How often the rows are drawn again for the confidence intervals.
        parallel: Whether the columns' data is the same row by row, in translation.
        seed: Of these draws.
        device: Where to compute; None for an accelerator if there is one.
        dtype: Precision that the base model computes in.
        base: Where the base model lies.
    """

    name: str
    task: Registered[Task]
    task_options: Mapping[str, Any]
    split: str
    columns: tuple[str, ...]
    cells: tuple[Cell, ...]
    baseline: str
    rules: Mapping[str, Registered[CompositionRule]] = field(default_factory=dict)
    batch_size: int = 32
    bootstrap: int = 1000
    parallel: bool = False
    seed: int = 0
    device: str | None = None
    dtype: str = "float32"
    base: LocatedBase

    @property
    def needs(self) -> tuple[str, ...]:
        """Adapters that are scored."""
        return tuple(dict.fromkeys(name for cell in self.cells for name in cell.adapters))

    @property
    def rows(self) -> tuple[str, ...]:
        """Labels of the rows in order."""
        return tuple(dict.fromkeys(cell.row for cell in self.cells))

    def describe(self) -> dict[str, Any]:
        """The evaluation as plain data: what fingerprints, provenance and ``--dry-run`` show."""
        return {
            "evaluate": {self.task.descriptor.name: dict(self.task_options)},
            "split": self.split,
            "columns": list(self.columns),
            "cells": [describe_cell(cell) for cell in self.cells],
            "baseline": self.baseline,
            "parameters": {
                "batch_size": self.batch_size,
                "bootstrap": self.bootstrap,
                "parallel": self.parallel,
                "seed": self.seed,
                "dtype": self.dtype,
            },
            "base_model": self.base.name,
        }


def describe_cell(cell: Cell) -> dict[str, Any]:
    """A cell as plain data."""
    described: dict[str, Any] = {"row": cell.row}
    if cell.column:
        described["column"] = cell.column
    if cell.seed is not None:
        described["seed"] = cell.seed
    described |= {"compose": tree_data(cell.tree), "data": describe_data(cell.data)}
    if (head := cell.head) is not None:
        described["head"] = {
            "name": head.name,
            "path": head.path,
            "task": head.task,
            "labels": list(head.labels),
            "options": dict(head.options),
        }
    if cell.head_of is not None:
        described["head"] = {"adapter": cell.head_of}
    return described


def plan_evaluation(
    request: EvaluateRequest, context: PlanContext, where: Callable[[Place], str]
) -> tuple[EvaluateStepPlan | None, Problems]:
    """Plan one evaluation; see :func:`xlmerge.plan.train_step.plan_training`."""
    problems = Problems(where)
    try:
        task = context.registry.task(request.task)
    except XLMergeError as error:
        problems.refuse_error(("evaluate",), error)
        return None, problems
    place: Place = ("evaluate", request.task)
    declared = task.descriptor
    options = checked_values(
        request.task_options, declared.parameters, declared.name, place, problems
    )
    values = checked_values(
        request.values, EVALUATION_OPTIONS, "an evaluation", ("with",), problems
    )
    if values.get("max_length") is not None:
        if "max_length" in {spec.name for spec in declared.parameters}:
            options["max_length"] = values["max_length"]
        else:
            problems.refuse(
                ("with", "max_length"), f"the task {declared.name} has no option `max_length`"
            )
    check_length(options, context.located, place, problems)
    rules = _check_cells(request, declared, context, problems)
    baseline = _baseline(request, problems)
    if problems or context.located is None:
        return None, problems
    plan = EvaluateStepPlan(
        name=request.name,
        task=task,
        task_options=options,
        split=request.split,
        columns=request.columns,
        cells=request.cells,
        baseline=baseline,
        rules=rules,
        batch_size=values["batch_size"],
        bootstrap=values["bootstrap"],
        parallel=values["parallel"],
        seed=values["seed"],
        device=values["device"],
        dtype=values["dtype"],
        base=context.located,
    )
    return plan, problems


def _baseline(request: EvaluateRequest, problems: Problems) -> str:
    rows = list(dict.fromkeys(cell.row for cell in request.cells))
    if not rows:
        problems.refuse((), "an evaluation needs a composition to score", "add `rows`")
        return ""
    if request.baseline is None:
        return rows[0]
    if request.baseline not in rows:
        problems.refuse(
            ("baseline",),
            f"there is no row `{request.baseline}`{nearest(request.baseline, rows)}",
            f"rows: {', '.join(rows)}",
        )
    return request.baseline


def _check_cells(
    request: EvaluateRequest, task: Task, context: PlanContext, problems: Problems
) -> dict[str, Registered[CompositionRule]]:
    """Check every cell; what several have in common is told once."""
    rules: dict[str, Registered[CompositionRule]] = {}
    seen: set[tuple[str, str, str | None]] = set()
    for cell in request.cells:
        place: Place = ("rows", cell.row)
        if (cell.row, cell.column, cell.seed) in seen:
            problems.refuse(place, f"the row `{cell.row}` has two scores for {_named(cell)}")
        seen.add((cell.row, cell.column, cell.seed))
        own = check_tree(cell.tree, place, context, problems, training=False)
        rules |= own
        check_libraries(cell.tree, place, context.drafts, own, problems)
        check_fits(cell.adapters, place, context, problems)
        _check_head(cell, place, task, context, own, problems)
    for data in {cell.data.name: cell.data for cell in request.cells}.values():
        check_split(data, request.split, ("data",), problems)
    return rules


def _named(cell: Cell) -> str:
    parts = [cell.column or "its only column"]
    if cell.seed is not None:
        parts.append(f"seed {cell.seed}")
    return ", ".join(parts)


def _check_head(
    cell: Cell,
    place: Place,
    task: Task,
    context: PlanContext,
    rules: Mapping[str, Registered[CompositionRule]],
    problems: Problems,
) -> None:
    """A task with classes needs a head, from an adapter or by the recipe's own words."""
    if cell.head is not None:
        _check_own_head(cell.head, task, problems)
        return
    if cell.head_of is not None:
        draft = context.drafts.get(cell.head_of)
        if draft is not None and draft.head is None:
            problems.refuse(("head",), f"the adapter {cell.head_of} brings no prediction head")
        return
    if task.labels is None:
        return  # such a task may read its scores off the base model's own head
    for model in _models(cell.tree, rules):
        drafts = [context.drafts.get(name) for name in leaves(model)]
        if all(draft is not None and draft.head is None for draft in drafts):
            problems.refuse(
                place,
                f"no adapter of `{cell.row}` has a prediction head: {', '.join(leaves(model))}",
                "add an adapter that was saved with its head, or name one of `heads` under `head`",
            )
        heads = [draft.head for draft in drafts if draft is not None and draft.head is not None]
        if len(heads) > 1 and heads[0].folder.header.format == "peft":
            problems.refuse(
                place,
                f"{len(heads)} adapters of `{cell.row}` bring a prediction head in their file, and "
                "only one can be used",
                "write whose is meant: `head: NAME`, an adapter or step",
            )


def _models(tree: Tree, rules: Mapping[str, Registered[CompositionRule]]) -> Iterator[Tree]:
    """The compositions that are a model each: the children of an *around* rule, or the whole."""
    if is_around(tree, rules) and not isinstance(tree, Leaf):
        yield from tree.children
    else:
        yield tree


def _check_own_head(head: HeadRequest, task: Task, problems: Problems) -> None:
    if head.task != task.name:
        problems.refuse(
            ("head",), f"the head {head.name} is for the task {head.task}; scored is {task.name}"
        )
    try:
        found = find_local(head.path, head.start, f"head {head.name}:")
    except CheckpointError as error:
        problems.refuse_error(("head",), error)
        return
    if found is None:
        problems.refuse(
            ("head",),
            f"head {head.name}: there is no such file or folder: {head.path}",
            "relative paths start from the recipe's own folder",
        )
