"""The names of a recipe: what they stand for, and which values they take.

Adapters, datasets, heads and steps share one namespace. A name with variables is a family: its
bare name means the instance with the values at hand, ``NAME/VALUE`` picks one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from xlmerge.recipe.reserved import step_kind
from xlmerge.recipe.templates import variables_of
from xlmerge.recipe.values import ValueRefusedError, check_name
from xlmerge.recipe.variable_values import NumberValue, check_variable_value
from xlmerge.recipe.wording import misspelt

if TYPE_CHECKING:
    from xlmerge.recipe.templates import Bindings

__all__ = ["GIVES", "KINDS", "SECTIONS", "Named", "Names", "for_each", "mapping"]

SECTIONS = {"adapters": "adapter", "datasets": "dataset", "heads": "head", "steps": "step"}
"""The sections of a recipe that name things, and what these are."""

KINDS = {
    "adapter": "an adapter",
    "dataset": "a dataset",
    "head": "a head",
    "step": "a step",
    "merge": "a merge step",
    "train": "a training step",
    "evaluate": "an evaluation step",
}
"""What a name can stand for, in words."""

GIVES = {
    "adapter": {"adapter", "merge", "train"},
    "dataset": {"dataset"},
    "head": {"head", "adapter", "merge", "train"},
}
"""What is asked for, and what gives it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a name stands for.

    Attributes:
        name: The name.
        kind: One of `KINDS`; ``step`` where it cannot be told.
        variables: The variables of a family; None where they cannot be told.
        values: For a step, variable to the values it is done for; None where any value goes.
        definition: What the recipe says of it.
    """

    name: str
    kind: str
    variables: tuple[str, ...] | None
    values: Mapping[str, tuple[str, ...]] | None
    definition: Any = field(repr=False)

    def instance(self, given: Bindings) -> str:
        """The name of the instance with these values."""
        return "/".join([self.name, *(str(given[name]) for name in self.variables or ())])


class Names:
    """The namespace of a recipe.

    Args:
        data: A recipe as plain data; may break the schema in any way.

    Attributes:
        known: Name to what it stands for.
    """

    def __init__(self, data: Mapping[str, object]) -> None:
        self.known: dict[str, Named] = {}
        for section, kind in SECTIONS.items():
            for name, definition in mapping(data.get(section)).items():
                made = _named(name, kind, definition)
                if name in self.known:  # it may mean either
                    made = Named(
                        name=name, kind="step", variables=None, values=None, definition=None
                    )
                self.known[name] = made
        self._broken = {
            kind
            for section, kind in SECTIONS.items()
            if not isinstance(data.get(section, {}), Mapping) or misspelt(section, data)
        }

    def giving(self, wanted: str) -> list[str]:
        """The names that stand for an ``adapter``, a ``dataset`` or a ``head``."""
        return [
            name
            for name, named in self.known.items()
            if named.kind in GIVES[wanted] or (named.kind == "step" and wanted == "adapter")
        ]

    def all_known(self, wanted: str) -> bool:
        """Whether a name that is not among them can be called unknown."""
        return wanted not in self._broken


def mapping(value: object) -> Mapping[str, Any]:
    """A mapping without keys that are no texts; nothing for anything else: the schema speaks."""
    if not isinstance(value, Mapping):
        return {}
    if all(isinstance(key, str) for key in value):
        return value
    return {key: inner for key, inner in value.items() if isinstance(key, str)}


def for_each(step: object) -> dict[str, tuple[str | int | NumberValue, ...]] | None:
    """The variables of a step with their values, each value once; None if they are not right."""
    given = mapping(step).get("for_each")
    if given is None:
        return {}
    if not mapping(given):
        return None
    made = {}
    for variable, values in mapping(given).items():
        if not isinstance(values, list | tuple) or not values:
            return None
        try:
            check_name(variable)
            for value in values:
                check_variable_value(value)
        except ValueRefusedError:
            return None
        named = [NumberValue(value) if isinstance(value, float) else value for value in values]
        made[variable] = tuple({str(value): value for value in reversed(named)}.values())[::-1]
    return made


def _named(name: str, kind: str, definition: object) -> Named:
    if kind != "step":
        return Named(
            name=name,
            kind=kind,
            variables=variables_of(definition),
            values=None,
            definition=definition,
        )
    kind = step_kind(mapping(definition)) or "step"
    variables = for_each(definition)
    if variables is None or kind in {"step", "evaluate"}:
        return Named(name=name, kind=kind, variables=None, values=None, definition=definition)
    return Named(
        name=name,
        kind=kind,
        variables=tuple(variables),
        values={variable: tuple(map(str, values)) for variable, values in variables.items()},
        definition=definition,
    )
