"""Whether the rows of a table, its baseline and its head fit together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from xlmerge.recipe.findings import Finding
from xlmerge.recipe.names import mapping
from xlmerge.recipe.templates import placeholders
from xlmerge.recipe.wording import code, did_you_mean, misspelt

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["table_findings"]


def table_findings(
    name: str, step: Mapping[str, object], heads: Mapping[str, object]
) -> Iterator[Finding]:
    """What is wrong with a table, its names apart.

    Args:
        name: The step's name.
        step: An evaluation step as plain data; may break the schema in any way.
        heads: The recipe's heads.
    """
    yield from _rows(name, step)
    yield from _labels(name, mapping(step.get("rows")))
    yield from _baseline(name, step)
    yield from _head_of_another_task(name, step, heads)


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


def _labels(name: str, rows: Mapping[str, object]) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for label in rows:
        same = " ".join(str(label).split())
        if same in seen:
            yield Finding(
                message=f"the rows {code(seen[same])} and {code(label)} look the same in a table",
                path=("steps", name, "rows", label),
                on_key=True,
                hint="give one of them another label",
            )
        seen.setdefault(same, str(label))


def _baseline(name: str, step: Mapping[str, object]) -> Iterator[Finding]:
    rows, baseline = step.get("rows"), step.get("baseline")
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
