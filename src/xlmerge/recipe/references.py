"""Whether the names in a recipe fit together.

Works on plain data, also on data that is wrong in other ways, so that misspelt names and wrong
types are reported in one go. What has the wrong type is passed over: the schema speaks of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from xlmerge.recipe.expansion import expansion_findings
from xlmerge.recipe.findings import Finding
from xlmerge.recipe.names import KINDS, SECTIONS, mapping
from xlmerge.recipe.reserved import step_kind
from xlmerge.recipe.templates import placeholders
from xlmerge.recipe.wording import code, did_you_mean, misspelt

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    findings = [*_clashes(data), *_aliases_alone(data), *_base_model_varies(data)]
    for name, step in mapping(data.get("steps")).items():
        kind = step_kind(mapping(step))
        if kind == "merge":
            findings.extend(_without_inputs(name, step))
            findings.extend(_listed_twice(name, step))
        elif kind == "evaluate":
            findings.extend(_rows(name, step))
            findings.extend(_head_of_another_task(name, step, mapping(data.get("heads"))))
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
            if isinstance(value, bool) or not isinstance(value, str | int):
                continue
            if str(value) in seen:
                yield Finding(
                    message=f"{code(value)} is listed twice; it is item {seen[str(value)] + 1} "
                    "already",
                    path=("steps", name, "for_each", variable, index),
                    hint="remove one of the two",
                )
            seen.setdefault(str(value), index)


def _rows(name: str, step: Mapping[str, object]) -> Iterator[Finding]:
    rows, composed = step.get("rows"), step.get("compose")
    if rows is None and composed is None:
        if not misspelt("rows", step) and not misspelt("compose", step):
            yield Finding(
                message=f"the step {code(name)} scores nothing",
                path=("steps", name),
                on_key=True,
                hint="add `rows:` (label: composition), or `compose:` for a single one",
            )
        return
    if rows is not None and composed is not None:
        yield Finding(
            message=f"the step {code(name)} has `rows` and `compose`; it takes one of them",
            path=("steps", name, "compose"),
            on_key=True,
            hint="make it another one of the `rows`",
        )
    seen: dict[str, str] = {}
    for label in mapping(rows):
        same = " ".join(str(label).split())
        if same in seen:
            yield Finding(
                message=f"the rows {code(seen[same])} and {code(label)} look the same in a table",
                path=("steps", name, "rows", label),
                on_key=True,
                hint="give one of them another label",
            )
        seen.setdefault(same, str(label))
    baseline = step.get("baseline")
    if isinstance(baseline, str) and isinstance(rows, Mapping | None):
        labels = [str(label) for label in mapping(rows)]
        if baseline not in labels:
            yield Finding(
                message=f"there is no row {code(baseline)}",
                path=("steps", name, "baseline"),
                hint=did_you_mean(baseline, labels, what="rows"),
            )


def _head_of_another_task(
    name: str, step: Mapping[str, object], heads: Mapping[str, object]
) -> Iterator[Finding]:
    given, task = step.get("head"), step.get("evaluate")
    if isinstance(task, Mapping):
        task = next(iter(task), None)
    if not isinstance(given, str) or not isinstance(task, str):
        return
    of_head = mapping(heads.get(given.partition("/")[0])).get("task")
    if isinstance(of_head, str) and of_head != task and not placeholders(of_head + task):
        yield Finding(
            message=f"the head {code(given)} is for {code(of_head)}, not for {code(task)}",
            path=("steps", name, "head"),
            hint="use a head of the same task",
        )
