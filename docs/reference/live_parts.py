"""Generated parts of the reference about what runs a model: rules, trainers, tasks, adapters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from prose import as_cell, as_markdown, parameter_table

from xlmerge.plan.live_values import EVALUATION_OPTIONS, LIVE_OPTIONS
from xlmerge.plugin import discover

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from xlmerge.plugin import CompositionRule, Registered, Task, Trainer

_ORDER = {"inside": 0, "around": 1}
_KINDS = {
    "inside": "inside: adapters within one model",
    "around": "around: outputs of whole models; outermost only",
}
_WEIGHTS = {
    "required": ", each with a weight",
    "optional": ", each with a weight if you like",
    "no": "",
}
# Compositions that give no single output for each row are for Python.
_FROM_PYTHON = {
    "batch_split": ("{one: 4, two: 12}", "batches of 16 rows"),
    "parallel": ("[one, two]", "two outputs for each row"),
    "split": ("{one: 32, two: 96}", "inputs of 128 positions"),
}


# --- rules ----------------------------------------------------------------------------------------


def compositions() -> Iterator[str]:
    """Every installed composition rule."""
    rules = discover().composition_rules.values()
    for item in sorted(rules, key=lambda each: _ORDER[each.descriptor.kind]):
        rule = item.descriptor
        yield from _head(item, rule)
        yield f"- {_KINDS[rule.kind]}"
        if rule.count is not None:
            yield f"- children: {rule.count}{_WEIGHTS[rule.weighted]}"
        for role in rule.roles:
            note = "" if role.required else " (optional)"
            yield f"- role {role.name}{note}: {role.summary}"
        yield ""
        yield from as_markdown(rule.function.__doc__ or "")
        yield from parameter_table(rule.parameters)
        yield from _rule_example(rule)


def _rule_example(rule: CompositionRule) -> Iterator[str]:
    if rule.name in _FROM_PYTHON:
        children, note = _FROM_PYTHON[rule.name]
        tree = f"{{{rule.name}: {children}}}"
        yield from ("", "```yaml", f"compose: {tree}  # {note}: from Python only", "```", "")
        return
    tree: dict[str, Any] = {rule.name: {role.name: f"{role.name}_adapter" for role in rule.roles}}
    if rule.count is not None:
        names = ["one", "two", "three", "four"][: max(2, rule.count.least)]
        weighted = rule.weighted == "required"
        tree = {rule.name: dict.fromkeys(names, 1 / len(names)) if weighted else names}
    step = {"evaluate": "sequence_classification", "data": "texts", "compose": tree}
    yield from _steps({"scores": step})


# --- trainers -------------------------------------------------------------------------------------


def trainers() -> Iterator[str]:
    """Every installed trainer."""
    for item in discover().trainers.values():
        trainer = item.descriptor
        yield from _head(item, trainer)
        yield from _trainer_lines(trainer)
        yield ""
        yield from as_markdown(trainer.function.__doc__ or "")
        yield from parameter_table((*trainer.parameters, *LIVE_OPTIONS))
        step = {**_training(trainer, "sequence_classification"), **_defaults(trainer)}
        yield from _steps({"result": step})


def _trainer_lines(trainer: Trainer) -> Iterator[str]:
    for role, purpose in trainer.data.items():
        notes = [
            note
            for names, note in (
                (trainer.optional_data, "optional"),
                (trainer.many, "one data set or several"),
            )
            if role in names
        ]
        note = f" ({', '.join(notes)})" if notes else ""
        yield f"- data `{role}`{note}: {purpose}"
    task = f"[`{trainer.task}`](tasks.md#{trainer.task})"
    yield f"- task: {'any, named under `task:`' if trainer.task == 'any' else task}"
    yield f"- adapter: {f'`{trainer.adapter}`' if trainer.adapter else 'none of its own'}"
    yield f"- on frozen adapters: {'yes, named under `on:`' if trainer.stacked else 'no'}"
    if trainer.stacked_each is not None:
        yield f"- or, for each data set of `{trainer.stacked_each}`, on frozen adapters of its own"
    if trainer.outputs:
        yield f"- further adapters: {', '.join(f'`{name}`' for name in trainer.outputs)}"


def _training(trainer: Trainer, task: str) -> dict[str, Any]:
    """A training step, as short as it can be."""
    step: dict[str, Any] = {"train": trainer.name}
    if trainer.task == "any":
        step["task"] = task
    if trainer.stacked:
        step["on"] = "language"
    return {**step, "data": "texts"}


def _defaults(trainer: Trainer) -> dict[str, Any]:
    """The parameters people look for first, at their defaults."""
    wanted = ("batch_size", "learning_rate")
    given = {each.name: each.default for each in trainer.parameters if each.name in wanted}
    return {"with": {**given, "seed": 0}}


# --- tasks ----------------------------------------------------------------------------------------


def tasks() -> Iterator[str]:
    """Every installed task."""
    for item in discover().tasks.values():
        task = item.descriptor
        yield from _head(item, task)
        for name, purpose in {**task.columns, **task.optional_columns}.items():
            notes = ["optional"] if name in task.optional_columns else []
            notes += ["the classes"] if name == task.labels else []
            note = f" ({', '.join(notes)})" if notes else ""
            yield f"- column `{name}`{note}: {purpose}"
        better = "more" if task.greater_is_better else "less"
        yield f"- metric: `{task.metric}`; {better} is better"
        if task.auto_class:
            yield f"- head of PEFT's adapters: as in `{task.auto_class}`"
        yield ""
        yield from as_markdown(task.function.__doc__ or "")
        yield from parameter_table(task.parameters)
        yield from _task_example(task)


def _task_example(task: Task) -> Iterator[str]:
    """Trained, and scored."""
    found = [item.descriptor for item in discover().trainers.values()]
    own = [each for each in found if each.task == task.name]
    trainer = [*own, *(each for each in found if each.task == "any")][0]
    composed: Any = {"stack": ["language", "learnt"]} if trainer.stacked else "learnt"
    scores = {"evaluate": task.name, "data": "texts", "compose": composed}
    yield from _steps({"learnt": _training(trainer, task.name), "scores": scores})


def evaluation_options() -> Iterator[str]:
    """What every evaluation may say."""
    yield from parameter_table(EVALUATION_OPTIONS)


# --- configurations of adapters -------------------------------------------------------------------


def configs() -> Iterator[str]:
    """Every named configuration, those of the same fields in one table."""
    families: dict[frozenset[str], dict[str, tuple[str, Mapping[str, Any]]]] = {}
    for architecture, item in discover().architectures.items():
        live = item.descriptor.live
        for name, fields in (live.configs if live is not None else {}).items():
            families.setdefault(frozenset(fields), {})[name] = (architecture, fields)
    for family in families.values():
        yield from _family(family)


def _family(family: Mapping[str, tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    fields = [fields for _, fields in family.values()]
    differing = [key for key in fields[0] if any(each[key] != fields[0][key] for each in fields)]
    alone = len(fields) == 1
    shown = list(fields[0]) if alone else differing
    yield from ("", _row(["field", *(f"`{name}`" for name in family)]))
    yield "|---" * (len(family) + 1) + "|"
    yield _row(["kind", *(f"`{architecture}`" for architecture, _ in family.values())])
    for key in shown:
        yield _row([f"`{key}`", *(_value(each[key]) for each in fields)])
    same = [f"`{key}: {_value(fields[0][key])}`" for key in fields[0] if key not in shown]
    if same:
        yield from ("", f"The same in all of these: {', '.join(same)}.")


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


# --- what they share ------------------------------------------------------------------------------


def _head(item: Registered[Any], declared: Any) -> Iterator[str]:
    yield from ("", f"## {declared.name}", "", declared.summary, "")
    yield from (f"- source: {as_cell(declared.source)}", f"- plugin: `{item.plugin}`")


def _steps(steps: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Steps of a recipe to copy."""
    yield from ("", "```yaml", "steps:")
    for name, step in steps.items():
        yield f"  {name}:"
        yield from (f"    {key}: {_value(value)}" for key, value in step.items())
    yield from ("```", "")


def _value(value: Any) -> str:
    """A value in YAML on one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_value(each)}' for key, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return value if isinstance(value, str) else json.dumps(value)
