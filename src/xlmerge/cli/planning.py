"""A plan in words, for ``check`` and ``--dry-run``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from xlmerge.plan import MergeStepPlan
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
    for plan in work.plans:
        click.echo(f"step {plan.name}: {_formula(plan)}")
        for line in _details(plan):
            click.echo(f"  {line}")
        click.echo(f"  -> {work.job.folders[plan.name]}")


def _formula(plan: MergeStepPlan) -> str:
    """The method with its inputs, as one would write it."""
    inputs = []
    for item in plan.inputs:
        if item.role:
            inputs.append(f"{item.role} = {item.name}")
        elif item.weight is None:
            inputs.append(item.name)
        else:
            inputs.append(f"{_value(item.weight)} * {item.name}")
    return f"{plan.method.descriptor.name}({', '.join(inputs)})"


def _details(plan: MergeStepPlan) -> list[str]:
    described = plan.describe()
    given = {name: value for name, value in described["parameters"].items() if value is not None}
    lines = []
    if given:
        lines.append(
            "with " + ", ".join(f"{name} = {_value(value)}" for name, value in given.items())
        )
    lines.append(
        f"per {plan.scope}; head: {plan.heads}; precision: {plan.dtype or 'that of the inputs'}"
    )
    return lines


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
