"""Whether the names in a recipe fit together.

Works on plain data, also on data that is wrong in other ways, so that misspelt names and wrong
types are reported in one go. What has the wrong type is passed over: the schema speaks of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlmerge.recipe.expansion import expansion_findings
from xlmerge.recipe.findings import Finding
from xlmerge.recipe.names import KINDS, SECTIONS, mapping
from xlmerge.recipe.reserved import step_kind
from xlmerge.recipe.table_findings import table_findings
from xlmerge.recipe.templates import placeholders
from xlmerge.recipe.variable_values import NumberValue
from xlmerge.recipe.wording import code, misspelt, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["reference_findings"]


def reference_findings(data: Mapping[str, object], *, whole: bool = False) -> list[Finding]:
    """All that is wrong with the names of a recipe.

    Args:
        data: A recipe as plain data; may break the schema in any way.
        whole: Whether it keeps to the schema.

    Returns:
        Findings: a name given twice, an unknown name, a step without inputs, a cycle of steps, a
        variable without a value or without use.
    """
    findings = [
        *_clashes(data),
        *_aliases_alone(data),
        *_base_model_varies(data),
        *_keys_of_heads(data),
    ]
    for name, step in mapping(data.get("steps")).items():
        kind = step_kind(mapping(step))
        if kind == "merge":
            findings.extend(_without_inputs(name, step))
            findings.extend(_listed_twice(name, step))
        elif kind == "evaluate":
            findings.extend(table_findings(name, step, mapping(data.get("heads"))))
        findings.extend(_values_twice(name, mapping(step)))
    return [*findings, *expansion_findings(data, whole=whole)]


def _clashes(data: Mapping[str, object]) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for section, kind in SECTIONS.items():
        for name in mapping(data.get(section)):
            if name in first:
                yield Finding(
                    message=f"the {kind} {code(name)} has the name of "
                    f"{KINDS[SECTIONS[first[name]]]}",
                    path=(section, name),
                    on_key=True,
                    other=(first[name], name),
                    hint="adapters, datasets, heads and steps share their names; rename one of "
                    "the two",
                )
            first.setdefault(name, section)


def _aliases_alone(data: Mapping[str, object]) -> Iterator[Finding]:
    alone = data.get("base_model_aliases") and data.get("base_model") is None
    if alone and not misspelt(
        "base_model", {key: 0 for key in data if key != "base_model_aliases"}
    ):
        yield Finding(
            message="`base_model_aliases` are other names of the `base_model`, which is missing",
            path=("base_model_aliases",),
            on_key=True,
            hint="add `base_model: NAME`",
        )


def _base_model_varies(data: Mapping[str, object]) -> Iterator[Finding]:
    base = data.get("base_model")
    if isinstance(base, str) and placeholders(base):
        yield Finding(
            message=f"{code(f'<{placeholders(base)[0]}>')} has no value here: a recipe has one "
            "base model",
            path=("base_model",),
            hint="give it on the command line, by `--set base_model=NAME`",
        )


def _keys_of_heads(data: Mapping[str, object]) -> Iterator[Finding]:
    """Keys that look like misspelt ones; all others are options of the head's task."""
    known = ("path", "task", "labels")
    for name, head in mapping(data.get("heads")).items():
        for key in mapping(head):
            if key not in known and nearest(key, known):
                yield Finding(
                    message=f"unknown key {code(key)}",
                    path=("heads", name, key),
                    on_key=True,
                    hint=f"did you mean {code(nearest(key, known)[0])}?",
                )


def _without_inputs(name: str, step: Mapping[str, object]) -> Iterator[Finding]:
    missing = step.get("adapters") is None and step.get("roles") is None
    if missing and not misspelt("adapters", step) and not misspelt("roles", step):
        yield Finding(
            message=f"the step {code(name)} has no inputs",
            path=("steps", name),
            on_key=True,
            hint="add `adapters:` (names, or names with weights) or `roles:` (role: name)",
        )


def _listed_twice(name: str, step: Mapping[str, object]) -> Iterator[Finding]:
    adapters = step.get("adapters")
    seen: dict[str, int] = {}
    for index, used in enumerate(adapters if isinstance(adapters, list | tuple) else ()):
        if not isinstance(used, str):
            continue
        if used in seen:
            yield Finding(
                message=f"{code(used)} is listed twice; it is item {seen[used] + 1} already",
                path=("steps", name, "adapters", index),
                hint="to count it more, give weights: `adapters: {NAME: WEIGHT}`",
            )
        seen.setdefault(used, index)


def _values_twice(name: str, step: Mapping[str, object]) -> Iterator[Finding]:
    for variable, values in mapping(step.get("for_each")).items():
        seen: dict[str, int] = {}
        for index, value in enumerate(values if isinstance(values, list | tuple) else ()):
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                continue
            called = str(NumberValue(value) if isinstance(value, float) else value)
            if called in seen:
                yield Finding(
                    message=f"{code(value)} is listed twice; it is item {seen[called] + 1} already",
                    path=("steps", name, "for_each", variable, index),
                    hint="remove one of the two",
                )
            seen.setdefault(called, index)
