"""Compositions of adapters inside one instance of a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xlmerge.errors import CompositionError
from xlmerge.plugin.trees import parse_tree, tree_text

if TYPE_CHECKING:
    from xlmerge.plugin.trees import Tree
    from xlmerge.recipe.document import KeyPath
    from xlmerge.recipe.scope import Scope

__all__ = ["composition", "composition_text"]


def composition(data: Any, path: KeyPath, scope: Scope) -> Tree | None:
    """A composition with its names resolved.

    Args:
        data: What the recipe says.
        path: Where it stands in the step.
        scope: Resolves names, and hears what is wrong.

    Returns:
        The tree; None if it is none.
    """
    try:
        parse_tree(_in_lists(scope.plain(data)))
        return parse_tree(_resolved(data, path, scope))
    except CompositionError as error:
        scope.add(error.message, (*path, *error.path), hint=error.hint)
        return None


def composition_text(data: Any) -> str:
    """A composition in one line as it is written; empty if it is none."""
    try:
        return tree_text(parse_tree(data))
    except CompositionError:
        return ""


def _in_lists(data: Any) -> Any:
    """Data as messages quote it: a list in a recipe is a list, not a tuple."""
    if isinstance(data, Mapping):
        return {key: _in_lists(inner) for key, inner in data.items()}
    return list(map(_in_lists, data)) if isinstance(data, list | tuple) else data


def _resolved(data: Any, path: KeyPath, scope: Scope) -> Any:
    if not isinstance(data, Mapping):
        return scope.reference(data, path, "adapter")
    made = {}
    for key, value in data.items():
        below = (*path, key)
        if key in {"weights", "with"}:
            made[key] = scope.filled(value, below)
        else:
            made[scope.text(key, below)] = _children(value, below, scope)
    return made


def _children(data: Any, path: KeyPath, scope: Scope) -> Any:
    if isinstance(data, list | tuple):
        return [_resolved(child, (*path, index), scope) for index, child in enumerate(data)]
    if not isinstance(data, Mapping):
        return scope.reference(data, path, "adapter")
    if all(isinstance(weight, int | float) for weight in scope.plain(data).values()):
        return scope.keyed(scope.filled(data, path), path, "adapter")
    return {key: _resolved(value, (*path, key), scope) for key, value in data.items()}
