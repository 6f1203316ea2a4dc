"""Trainers, tasks and composition rules, as ``xlmerge methods`` lists and shows them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from xlmerge.cli.output import columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from xlmerge.plugin import ParameterSpec, Registered, Registry
    from xlmerge.plugin.composition import CompositionRule
    from xlmerge.plugin.tasks import Task
    from xlmerge.plugin.trainers import Trainer

__all__ = ["described", "find", "live_tables", "parameter_lines", "shown", "spec_data"]


def find(name: str, registry: Registry) -> list[tuple[str, Registered[Any]]]:
    """Everything of that name but merge methods, each with what it is."""
    kinds: dict[str, Mapping[str, Registered[Any]]] = {
        "trainer": registry.trainers,
        "task": registry.tasks,
        "composition rule": registry.composition_rules,
    }
    return [(kind, catalogue[name]) for kind, catalogue in kinds.items() if name in catalogue]


def live_tables(registry: Registry) -> Iterator[str]:
    """A table for each kind of which there is something."""
    tables: list[tuple[tuple[str, str], list[tuple[object, ...]]]] = [
        (("trainer", "task"), _trainer_rows(registry)),
        (("task", "metric"), _task_rows(registry)),
        (("composition rule", "takes"), _rule_rows(registry)),
    ]
    for title, rows in tables:
        if rows:
            yield columns((*title, "from", "what it does"), rows)


def _trainer_rows(registry: Registry) -> list[tuple[object, ...]]:
    return [
        (name, each.descriptor.task or "-", each.distribution or "-", each.descriptor.summary)
        for name, each in registry.trainers.items()
    ]


def _task_rows(registry: Registry) -> list[tuple[object, ...]]:
    return [
        (name, each.descriptor.metric, each.distribution or "-", each.descriptor.summary)
        for name, each in registry.tasks.items()
    ]


def _rule_rows(registry: Registry) -> list[tuple[object, ...]]:
    return [
        (name, _takes(each.descriptor), each.distribution or "-", each.descriptor.summary)
        for name, each in registry.composition_rules.items()
    ]


def _takes(rule: CompositionRule) -> str:
    if rule.count is None:
        return ", ".join(role.name for role in rule.roles)
    least, most = rule.count.least, rule.count.most
    number = "" if most is None and least <= 1 else f"{rule.count} ".removeprefix("exactly ")
    return f"{number}adapters{' with weights' if rule.weighted == 'required' else ''}"


def shown(kind: str, registered: Registered[Any]) -> Iterator[str]:
    """A trainer, task or rule in full, a line each, with an example to copy."""
    descriptor = registered.descriptor
    yield f"{descriptor.name}: {descriptor.summary}"
    yield f"kind: {kind}"
    yield f"source: {descriptor.source}"
    yield f"from: {registered.provider}"
    yield ""
    if kind == "trainer":
        yield from _trainer(descriptor)
    elif kind == "task":
        yield from _task(descriptor)
    else:
        yield from _rule(descriptor)


def _trainer(trainer: Trainer) -> Iterator[str]:
    from xlmerge.plan.live_values import LIVE_OPTIONS

    yield "data"
    for role, purpose in trainer.data.items():
        notes = [
            note
            for names, note in ((trainer.optional_data, "optional"), (trainer.many, "any number"))
            if role in names
        ]
        note = f" ({', '.join(notes)})" if notes else ""
        yield f"  {role}{note}: {purpose}"
    task = "any, named under `task:`" if trainer.task == "any" else trainer.task
    yield f"task: {task or 'none'}"
    yield f"adapter: {trainer.adapter or 'none of its own'} (`adapter:` changes it)"
    yield f"on top of frozen adapters: {'yes, named under `on:`' if trainer.stacked else 'no'}"
    if trainer.stacked_each:
        yield f"  or a list under `on:`, one for each data set of {trainer.stacked_each}"
    yield "\nparameters (under `with:`)"
    yield from parameter_lines((*trainer.parameters, *LIVE_OPTIONS))
    yield "\nexample"
    step: dict[str, Any] = {"train": trainer.name}
    if trainer.task == "any":
        step["task"] = "sequence_classification"
    if trainer.stacked:
        step["on"] = "language"
    step["data"] = "texts"
    if given := _defaults(trainer.parameters[:3]):
        step["with"] = given
    yield from _step(step)


def _task(task: Task) -> Iterator[str]:
    from xlmerge.plan.live_values import EVALUATION_OPTIONS

    yield "columns of the data"
    for name, purpose in {**task.columns, **task.optional_columns}.items():
        note = " (optional)" if name in task.optional_columns else ""
        yield f"  {name}{note}: {purpose}"
    better = "greater" if task.greater_is_better else "less"
    yield f"metric: {task.metric}; {better} is better"
    yield "\noptions (`evaluate: {NAME: {OPTION: value}}`, and so under `task:`)"
    yield from parameter_lines(task.parameters)
    yield "\noptions of every evaluation (under `with:`)"
    yield from parameter_lines(EVALUATION_OPTIONS)
    yield "\nexample"
    yield from _step(
        {"evaluate": task.name, "data": "texts", "compose": {"stack": ["language", "adapter"]}}
    )


def _rule(rule: CompositionRule) -> Iterator[str]:
    meaning = {
        "inside": "inside: adapters within one model",
        "around": "around: outputs of whole models; outermost only",
    }
    yield meaning[rule.kind]
    yield "\nchildren"
    if rule.count is not None:
        weights = {
            "required": ", each with a weight",
            "optional": ", each with a weight if you like",
        }
        yield f"  {rule.count}{weights.get(rule.weighted, '')}"
    for role in rule.roles:
        note = "" if role.required else " (optional)"
        yield f"  role {role.name}{note}{': ' + role.summary if role.summary else ''}"
    yield "\noptions (under `with:`, beside the rule)"
    yield from parameter_lines(rule.parameters)
    if not rule.in_recipes:
        yield "\nfor use from Python: `xlmerge.runtime.compose`"
        return
    yield "\nexample"
    number = max(2, rule.count.least) if rule.count is not None else 0
    names = ["one", "two", "three", "four"][:number]
    tree: dict[str, Any] = {
        rule.name: names
        if rule.count is not None
        else {role.name: f"adapter_{i}" for i, role in enumerate(rule.roles, 1) if role.required}
    }
    if rule.weighted == "required":
        tree["weights"] = [round(1 / number, 2)] * number
    yield from _step({"evaluate": "sequence_classification", "data": "texts", "compose": tree})


def _step(step: dict[str, Any]) -> Iterator[str]:
    yield "  steps:"
    yield "    result:"
    for key, value in step.items():
        yield f"      {key}: {_flow(value)}"


def _flow(value: Any) -> str:
    """A value in YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return value if isinstance(value, str) else json.dumps(value)


def _defaults(specs: Iterable[ParameterSpec]) -> dict[str, Any]:
    return {s.name: s.default for s in specs if not s.required and s.default is not None}


def parameter_lines(specs: Iterable[ParameterSpec]) -> list[str]:
    """Parameters with type, range and default, and what they do."""
    lines = []
    for spec in specs:
        lines.append(f"  {spec.name}: {spec.describe()}")
        if spec.summary:
            lines.append(f"      {spec.summary}")
    return lines or ["  none"]


def described(kind: str, registered: Registered[Any]) -> dict[str, Any]:
    """The same as plain data."""
    descriptor = registered.descriptor
    facts: dict[str, Any] = {
        "kind": kind,
        "name": descriptor.name,
        "summary": descriptor.summary,
        "source": descriptor.source,
        "plugin": registered.plugin,
        "distribution": registered.distribution,
        "version": registered.version,
        "parameters": [spec_data(spec) for spec in descriptor.parameters],
    }
    own: tuple[str, ...]
    if kind == "trainer":
        own = ("data", "optional_data", "many", "task", "adapter", "stacked")
    elif kind == "task":
        own = ("columns", "optional_columns", "labels", "metric", "greater_is_better")
    else:
        count = descriptor.count
        facts["roles"] = [
            {"name": role.name, "required": role.required, "summary": role.summary}
            for role in descriptor.roles
        ]
        facts["children"] = count and {"least": count.least, "most": count.most}
        facts["weights"] = descriptor.weighted
        facts["place"] = descriptor.kind
        return facts
    return facts | {name: getattr(descriptor, name) for name in own}


def spec_data(spec: ParameterSpec) -> dict[str, Any]:
    """A parameter as plain data."""
    return {
        "name": spec.name,
        "type": spec.type.__name__,
        "required": spec.required,
        "default": None if spec.required else spec.default,
        "range": str(spec.range) if spec.range else None,
        "choices": list(spec.choices),
        "optional": spec.optional,
        "many": spec.many,
        "summary": spec.summary,
    }
