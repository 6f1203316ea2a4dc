"""Whether the names in a recipe fit together.

Works on plain data, also on data that is wrong in other ways, so that misspelt names and wrong
types are reported in one go. What has the wrong type is passed over: the schema speaks of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from xlmerge.recipe.findings import Finding
from xlmerge.recipe.graph import cycles
from xlmerge.recipe.reserved import RESERVED_STEP_KEYS
from xlmerge.recipe.values import heads_source
from xlmerge.recipe.wording import code, did_you_mean, misspelt

if TYPE_CHECKING:
    from xlmerge.recipe.document import KeyPath

__all__ = ["reference_findings"]


def reference_findings(data: Mapping[str, object]) -> list[Finding]:
    """All that is wrong with the names of a recipe.

    Args:
        data: A recipe as plain data; may break the schema in any way.

    Returns:
        Findings: a name given twice, an unknown name, a step without inputs, a cycle of steps.
    """
    adapters = _mapping(data.get("adapters"))
    steps = _mapping(data.get("steps"))
    merges = {
        name: step
        for name, step in steps.items()
        if isinstance(step, Mapping) and not any(key in step for key in RESERVED_STEP_KEYS)
    }
    findings = [*_clashes(adapters, steps), *_aliases_alone(data)]
    for name, step in merges.items():
        findings.extend(_without_inputs(name, step))
        findings.extend(_listed_twice(name, step))
    # Where the adapters are misspelt or no mapping at all, every name would seem unknown.
    if isinstance(data.get("adapters", {}), Mapping) and not misspelt("adapters", data):
        findings.extend(_unknown(merges, [*adapters, *steps]))
    # A name that is also an adapter's may mean either, so it makes no circle.
    uses = {
        name: [used for used, _, _ in _uses(step) if used not in adapters]
        for name, step in merges.items()
    }
    findings.extend(_circle(cycle) for cycle in cycles(uses))
    return findings


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _uses(step: Mapping[str, object]) -> Iterator[tuple[str, KeyPath, bool]]:
    """Each name that a step uses, with its path in the step and whether it stands in the key."""
    adapters = step.get("adapters")
    if isinstance(adapters, Mapping):
        yield from ((name, ("adapters", name), True) for name in adapters)
    elif isinstance(adapters, list | tuple):
        for index, name in enumerate(adapters):
            if isinstance(name, str):
                yield name, ("adapters", index), False
    for role, name in _mapping(step.get("roles")).items():
        if isinstance(name, str):
            yield name, ("roles", role), False
    head = heads_source(step.get("heads"))
    if head is not None:
        yield head, ("heads",), False


def _clashes(adapters: Mapping[str, object], steps: Mapping[str, object]) -> Iterator[Finding]:
    for name in steps:
        if name in adapters:
            yield Finding(
                message=f"the step {code(name)} has the name of an adapter",
                path=("steps", name),
                on_key=True,
                other=("adapters", name),
                hint="adapters and steps share their names; rename one of the two",
            )


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


def _unknown(merges: Mapping[str, Mapping[str, object]], known: list[str]) -> Iterator[Finding]:
    for step_name, step in merges.items():
        for used, path, on_key in _uses(step):
            if used not in known:
                others = [name for name in known if name != step_name]
                yield Finding(
                    message=f"there is no adapter or step {code(used)}",
                    path=("steps", step_name, *path),
                    on_key=on_key,
                    hint=did_you_mean(used, others, what="known names"),
                )


def _circle(cycle: tuple[str, ...]) -> Finding:
    first = cycle[0]
    if len(cycle) == 2:
        message = f"the step {code(first)} uses its own result: {first} -> {first}"
    else:
        message = f"steps use each other's results in a circle: {' -> '.join(cycle)}"
    return Finding(
        message=message, path=("steps", first), on_key=True, hint="remove one of the uses"
    )
