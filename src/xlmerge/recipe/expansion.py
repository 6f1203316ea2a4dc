"""From a recipe to its steps without variables, and what is wrong with the names on the way.

Works on plain data, also on data that breaks the schema, so that misspelt names and wrong types are
reported in one go.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any, TypeAlias

from xlmerge.recipe.expand_steps import cells, evaluation, merge_instance, train_instance
from xlmerge.recipe.expanded import Expansion
from xlmerge.recipe.findings import Finding
from xlmerge.recipe.graph import cycles, in_order
from xlmerge.recipe.names import Names, for_each, mapping
from xlmerge.recipe.report import Report
from xlmerge.recipe.reserved import step_kind
from xlmerge.recipe.scope import Scope
from xlmerge.recipe.templates import definition_text
from xlmerge.recipe.wording import code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from xlmerge.recipe.expanded import ExpandedCell, ExpandedStep
    from xlmerge.recipe.names import Named
    from xlmerge.recipe.templates import Bindings
    from xlmerge.recipe.variable_values import NumberValue

__all__ = ["MAX_INSTANCES", "expansion", "expansion_findings"]

Variables: TypeAlias = "dict[str, tuple[str | int | NumberValue, ...]]"

MAX_INSTANCES = 10_000
"""Most instances of steps and cells of tables in a recipe, which needs some hundreds."""


def expansion(data: Mapping[str, Any]) -> Expansion:
    """A recipe without variables.

    Args:
        data: A recipe as plain data in which nothing is wrong.
    """
    return _Expander(data).expansion()


def expansion_findings(data: Mapping[str, Any], *, whole: bool) -> list[Finding]:
    """What is wrong with the names, the placeholders and the variables of a recipe.

    Args:
        data: A recipe as plain data; may break the schema in any way.
        whole: Whether it keeps to the schema. Only then can something be called missing.
    """
    expander = _Expander(data)
    found = expander.report.findings()
    if whole and not found:
        found = expander.idle_variables()
    return [*expander.too_many, *found, *expander.circles()]


class _Expander:
    """Expands all steps of a recipe."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._names = Names(data)
        self.report = Report()
        self.too_many: list[Finding] = []
        self._count = 0
        self._steps: dict[str, ExpandedStep] = {}
        self._uses: dict[str, list[str]] = {}
        self._used: dict[str, tuple[Named, Bindings]] = {}
        self._variables: dict[str, set[str]] = {}
        self._given: dict[str, Variables] = {}
        for name, step in mapping(data.get("steps")).items():
            self._expand(name, mapping(step))

    def expansion(self) -> Expansion:
        used: dict[str, dict[str, Any]] = {"adapter": {}, "dataset": {}, "head": {}}
        for name, (named, values) in self._used.items():
            if named.kind in used:
                used[named.kind][name] = definition_text(named.definition, values)
        families = {named.name for named, _ in self._used.values()}
        return Expansion(
            steps=tuple(self._steps[name] for name in in_order(self._uses)),
            adapters=used["adapter"],
            datasets={
                name: {"path": made} if isinstance(made, str) else made
                for name, made in used["dataset"].items()
            },
            heads=used["head"],
            unused={
                kind: tuple(
                    name
                    for name, named in self._names.known.items()
                    if named.kind == kind and name not in families
                )
                for kind in used
            },
        )

    def _expand(self, name: str, step: Mapping[str, Any]) -> None:
        kind = step_kind(step)
        if kind is None:
            return
        variables = for_each(step)
        if variables is not None:
            count = math.prod(map(len, variables.values()))
            self._count += count * max(1, len(mapping(step.get("rows"))))
            if self._count > MAX_INSTANCES:
                self._say_too_many(name)
                return
        self._given[name] = variables or {}
        self._variables[name] = set()
        if kind == "evaluate":
            self._table(name, step, variables)
        else:
            make = merge_instance if kind == "merge" else train_instance
            self._instances(name, step, variables, make)

    def _instances(
        self,
        name: str,
        step: Mapping[str, Any],
        variables: Variables | None,
        make: Callable[..., ExpandedStep],
    ) -> None:
        for bindings in _combinations(variables):
            scope = Scope(self._names, name, bindings, self.report)
            values = bindings or {}
            instance = "/".join([name, *map(str, values.values())])
            self._steps[instance] = make(instance, name, step, values, scope)
            self._note(instance, name, scope)

    def _table(
        self,
        name: str,
        step: Mapping[str, Any],
        variables: Variables | None,
    ) -> None:
        none: Bindings | None = None if variables is None else {}
        whole = Scope(self._names, name, none, self.report, varying=tuple(variables or ()))
        table = evaluation(name, step, tuple(variables or ()), whole)
        made: list[ExpandedCell] = []
        written: dict[str, str] = {}
        self._uses[name] = []
        for bindings in _combinations(variables):
            scope = Scope(self._names, name, bindings, self.report)
            made += cells(step, bindings or {}, scope)
            written |= scope.written
            self._note(name, name, scope)
        order = {label: index for index, label in enumerate(dict.fromkeys(c.row for c in made))}
        made.sort(key=lambda cell: order[cell.row])
        self._steps[name] = replace(table, cells=tuple(made), written=written)

    def _note(self, instance: str, step: str, scope: Scope) -> None:
        uses = self._uses.setdefault(instance, [])
        for name, (named, values) in scope.uses.items():
            self._used[name] = (named, values)
            if named.kind in {"merge", "train"}:
                uses.append(name)
        self._variables[step] |= scope.variables

    def _say_too_many(self, name: str) -> None:
        self.too_many.append(
            Finding(
                message=f"with the step {code(name)}, the recipe has more than {MAX_INSTANCES} "
                "steps and scores",
                path=("steps", name, "for_each"),
                on_key=True,
                hint="leave out values, or split the recipe",
            )
        )

    def idle_variables(self) -> list[Finding]:
        """Variables that make no difference to their step."""
        return [
            Finding(
                message=f"nothing in the step {code(name)} depends on {code(variable)}: "
                + ("its scores" if name in self._steps else "its instances")
                + " would be the same",
                path=("steps", name, "for_each", variable),
                on_key=True,
                hint=f"use `<{variable}>` in a value, or a name that stands for many by "
                f"{code(variable)}",
            )
            for name, variables in self._given.items()
            for variable in variables
            if variable not in self._variables[name]
        ]

    def circles(self) -> Iterator[Finding]:
        """Steps that need their own results."""
        seen = set()
        for cycle in cycles(self._uses):
            steps = tuple(self._steps[name].step for name in cycle)
            if steps in seen:
                continue
            seen.add(steps)
            if len(cycle) == 2:
                message = f"the step {code(cycle[0])} uses its own result: {' -> '.join(cycle)}"
            else:
                message = f"steps use each other's results in a circle: {' -> '.join(cycle)}"
            yield Finding(
                message=message,
                path=("steps", steps[0]),
                on_key=True,
                hint="remove one of the uses",
            )


def _combinations(variables: Variables | None) -> Iterator[Bindings | None]:
    if variables is None:
        yield None
        return
    for values in product(*variables.values()):
        yield dict(zip(variables, values, strict=True))
