"""Placeholders in texts: ``<language>`` stands for a value of the variable ``language``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from xlmerge.recipe.values import NAME, PLACEHOLDER
from xlmerge.recipe.variable_values import NumberValue

if TYPE_CHECKING:
    from xlmerge.recipe.document import KeyPath

__all__ = [
    "Bindings",
    "definition_text",
    "filled",
    "filled_text",
    "placeholders",
    "texts",
    "variables_of",
]

Bindings: TypeAlias = "Mapping[str, str | int | NumberValue]"
"""Variable to value; what a value is called in names of folders is its text."""

_PLACEHOLDER = re.compile(f"<({NAME})>")


def placeholders(text: str) -> tuple[str, ...]:
    """The variables whose placeholders stand in a text, each once, in order."""
    return tuple(dict.fromkeys(_PLACEHOLDER.findall(text)))


def texts(value: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Every text in a value, with its path; keys are none."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from texts(inner, (*path, key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from texts(inner, (*path, index))


def variables_of(definition: object) -> tuple[str, ...]:
    """The variables of an adapter, a dataset or a head, in the order in which values are given.

    Args:
        definition: A text, or a mapping of which ``path`` comes first and the rest by name.

    Returns:
        Nothing for what is no family.
    """
    found_in: list[str] = []
    if isinstance(definition, Mapping):
        for key in sorted(definition, key=lambda key: (key != "path", str(key))):
            for _, text in texts(definition[key]):
                found_in += placeholders(text)
    elif isinstance(definition, str):
        found_in += placeholders(definition)
    return tuple(dict.fromkeys(found_in))


def filled(value: Any, bindings: Bindings) -> Any:
    """A value with the placeholders in its texts filled in; keys are left as they are.

    A text that is nothing but a placeholder becomes the value itself, a number perhaps.
    """
    if isinstance(value, str):
        if re.fullmatch(PLACEHOLDER, value) and value[1:-1] in bindings:
            bound = bindings[value[1:-1]]
            return float(bound) if isinstance(bound, NumberValue) else bound
        return filled_text(value, bindings)
    if isinstance(value, Mapping):
        return {key: filled(inner, bindings) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return tuple(filled(inner, bindings) for inner in value)
    return value


def filled_text(text: str, bindings: Bindings) -> str:
    """A text with its placeholders filled in; those of other variables are left as they are."""
    return _PLACEHOLDER.sub(lambda found_: str(bindings.get(found_[1], found_[0])), text)


def definition_text(value: Any, bindings: Bindings) -> Any:
    """A definition with all placeholders filled in; texts stay texts."""
    return filled(value, {name: str(given) for name, given in bindings.items()})
