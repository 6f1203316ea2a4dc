"""A plan in words, for ``check`` and ``--dry-run``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from xlmerge.cli.output import count
from xlmerge.plan import EvaluateStepPlan, LateMergePlan, TrainStepPlan
from xlmerge.plugin.trees import tree_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from xlmerge.plan import MergeStepPlan, StepPlan
    from xlmerge.runner import Work

__all__ = ["print_plan"]


def print_plan(work: Work) -> None:
    """Print what a run would do."""
    for name, place in work.located.items():
        header = work.layouts[name].folder.header
        kinds = " + ".join(covered.architecture.name for covered in work.layouts[name].covered)
        pinned = f" @ {place.commit[:12]}" if place.commit else ""
        base = header.base_model or "not recorded"
        click.echo(f"adapter {name}: {kinds} ({header.format}), base model {base}{pinned}")
    if work.base is not None:
        where = work.base.path or "on the hub, not looked up"
        click.echo(f"base model {work.base.name}: {where}")
    for plan in work.plans:
        click.echo(f"step {plan.name}: {_formula(plan)}")
        for line in _details(plan):
            click.echo(f"  {line}")
        click.echo(f"  -> {work.job.folders[plan.name]}")


def _formula(plan: StepPlan) -> str:
    """A merge with its inputs as one would write it; what the others do in one line."""
    if isinstance(plan, TrainStepPlan):
        task = f" on the task {plan.task.descriptor.name}" if plan.task else ""
        return f"train by {plan.trainer.descriptor.name}{task}"
    if isinstance(plan, EvaluateStepPlan):
        return (
            f"evaluate {plan.task.descriptor.name}: {count(len(plan.rows), 'row')}, "
            f"{count(len(plan.cells), 'score')} on the split {plan.split}"
        )
    inputs = []
    for item in plan.inputs:
        if item.role:
            inputs.append(f"{item.role} = {item.name}")
        elif item.weight is None:
            inputs.append(item.name)
        else:
            inputs.append(f"{_value(item.weight)} * {item.name}")
    return f"{plan.method.descriptor.name}({', '.join(inputs)})"


def _details(plan: StepPlan) -> Iterator[str]:
    if isinstance(plan, TrainStepPlan):
        yield from _training(plan)
    elif isinstance(plan, EvaluateStepPlan):
        yield from _evaluation(plan)
    elif isinstance(plan, LateMergePlan):
        yield from _with(plan.request.values)
        yield f"planned in full when {' and '.join(plan.waits_for)} can be read"
    else:
        yield from _merge(plan)


def _merge(plan: MergeStepPlan) -> Iterator[str]:
    yield from _with(plan.describe()["parameters"])
    precision = plan.dtype or "that of the inputs"
    yield f"per {plan.scope}; head: {plan.heads}; precision: {precision}"


def _training(plan: TrainStepPlan) -> Iterator[str]:
    for role, sets in plan.data.items():
        named = (
            request.name if weight is None else f"{weight:g} {request.name}"
            for request, weight in sets
        )
        note = ", if there is such a split" if role in plan.if_present else ""
        yield f"data {role}: {', '.join(named)}{note}"
    if plan.stacked_on is not None:
        yield f"on {tree_text(plan.stacked_on)}, frozen"
    if plan.stacked_each:
        yield f"on {'; '.join(map(tree_text, plan.stacked_each))}; each for its data, frozen"
    if plan.adapter is not None:
        changes = f" with {_pairs(plan.adapter.changes)}" if plan.adapter.changes else ""
        kind = plan.adapter.architecture.descriptor.name
        yield f"adapter: {plan.adapter.name} ({kind}){changes}"
    if plan.task is not None:
        yield from _with(plan.task_options, "task with")
    yield from _with(plan.describe()["parameters"])
    yield from _device(plan.device)


def _evaluation(plan: EvaluateStepPlan) -> Iterator[str]:
    for row in plan.rows:
        cells = [cell for cell in plan.cells if cell.row == row]
        more = f" and {len(cells) - 1} more like it" if len(cells) > 1 else ""
        mark = " (baseline)" if row == plan.baseline and len(plan.rows) > 1 else ""
        yield f"{row}{mark}: {tree_text(cells[0].tree)}{more}"
    data = dict.fromkeys(cell.data.name for cell in plan.cells)
    yield f"data: {', '.join(data)}"
    heads = {cell.head.name if cell.head is not None else cell.head_of for cell in plan.cells}
    if named := sorted(head for head in heads if head is not None):
        yield f"head: {', '.join(named)}"
    yield from _with(plan.task_options, "task with")
    yield from _with(plan.describe()["parameters"])
    yield from _device(plan.device)


def _with(values: Mapping[str, Any], word: str = "with") -> Iterable[str]:
    given = {name: value for name, value in values.items() if value is not None}
    return [f"{word} {_pairs(given)}"] if given else []


def _device(device: str | None) -> Iterable[str]:
    return [] if device is None else [f"on the device {device}"]


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {_value(value)}" for name, value in values.items())


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
