"""Trees: which adapters are composed, and how, as plain data.

Leaves name adapters, nodes name the rules of :mod:`xlmerge.plugin.composition`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from xlmerge.errors import CompositionError

__all__ = ["Leaf", "Node", "Tree", "leaves", "parse_tree", "tree_data", "tree_text"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """An adapter by its name in the recipe."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A rule applied to children.

    Attributes:
        rule: Name of the rule.
        children: Its children, in order; those with roles after those without.
        roles: Role of each of the last children; shorter than ``children`` where some have none.
        weights: One for each child without a role, or None.
        options: What stands under ``with``.
    """

    rule: str
    children: tuple[Tree, ...]
    roles: tuple[str, ...] = ()
    weights: tuple[float, ...] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


Tree: TypeAlias = Leaf | Node


def leaves(tree: Tree) -> tuple[str, ...]:
    """The adapters of a tree, each once, in order."""
    names = [tree.name] if isinstance(tree, Leaf) else [n for c in tree.children for n in leaves(c)]
    return tuple(dict.fromkeys(names))


def tree_text(tree: Tree) -> str:
    """A tree in one line: ``stack(indonesian, sentiment)``."""
    if isinstance(tree, Leaf):
        return tree.name
    plain = len(tree.children) - len(tree.roles)
    shown = [tree_text(child) for child in tree.children]
    if tree.weights is not None:
        shown[:plain] = [f"{w:g} {text}" for w, text in zip(tree.weights, shown, strict=False)]
    shown[plain:] = [f"{r}={text}" for r, text in zip(tree.roles, shown[plain:], strict=True)]
    shown += [f"{key}={value}" for key, value in tree.options.items()]
    return f"{tree.rule}({', '.join(shown)})"


def tree_data(tree: Tree) -> Any:
    """A tree as a recipe writes it; :func:`parse_tree` reads it back."""
    if isinstance(tree, Leaf):
        return tree.name
    plain = len(tree.children) - len(tree.roles)
    inner: Any = [tree_data(child) for child in tree.children[:plain]]
    if tree.roles:
        inner = {
            role: tree_data(child)
            for role, child in zip(tree.roles, tree.children[plain:], strict=True)
        }
    data = {tree.rule: inner}
    if tree.weights is not None:
        data["weights"] = list(tree.weights)
    if tree.options:
        data["with"] = dict(tree.options)
    return data


def parse_tree(data: Any, path: tuple[str | int, ...] = ()) -> Tree:
    """Read a tree from plain data.

    A text is a leaf. A mapping has one key that is no option, the rule, with its children: a list
    of trees, or a mapping. Values of such a mapping that are numbers are weights of the adapters
    they stand beside; otherwise its keys are roles and its values trees. ``weights`` and ``with``
    stand beside the rule.

    Raises:
        CompositionError: It is none. ``path`` leads to the place.
    """
    if isinstance(data, str):
        return Leaf(data)
    if not isinstance(data, Mapping):
        raise CompositionError(
            f"a composition is the name of an adapter or {{RULE: children}}; found {data!r}",
            path=path,
        )
    rules = [key for key in data if key not in {"weights", "with"}]
    if len(rules) != 1 or not isinstance(rules[0], str):
        found = ", ".join(map(str, rules)) or "none"
        raise CompositionError(
            f"a composition has one rule, perhaps with `weights` and `with`; found {found}",
            path=path,
        )
    rule, options = rules[0], data.get("with", {})
    if not isinstance(options, Mapping):
        raise CompositionError("`with` is a mapping of options", path=(*path, "with"))
    children, roles, weights = _children(data[rule], (*path, rule))
    if "weights" in data:
        if weights is not None:
            raise CompositionError("weights are given twice", path=(*path, "weights"))
        weights = _weights(data["weights"], len(children) - len(roles), (*path, "weights"))
    return Node(rule=rule, children=children, roles=roles, weights=weights, options=dict(options))


def _children(
    data: Any, path: tuple[str | int, ...]
) -> tuple[tuple[Tree, ...], tuple[str, ...], tuple[float, ...] | None]:
    """Children, roles and weights of a node."""
    if isinstance(data, str):
        return (Leaf(data),), (), None
    if isinstance(data, Sequence):
        return tuple(parse_tree(c, (*path, i)) for i, c in enumerate(data)), (), None
    if not isinstance(data, Mapping) or not data:
        raise CompositionError("expected a list or a mapping of children", path=path)
    numbers = [isinstance(v, int | float) and not isinstance(v, bool) for v in data.values()]
    if all(numbers):
        return tuple(Leaf(str(n)) for n in data), (), tuple(float(v) for v in data.values())
    if any(numbers):
        raise CompositionError("either all of the children have weights or none", path=path)
    trees = tuple(parse_tree(value, (*path, key)) for key, value in data.items())
    return trees, tuple(str(key) for key in data), None


def _weights(data: Any, count: int, path: tuple[str | int, ...]) -> tuple[float, ...]:
    if (
        not isinstance(data, Sequence)
        or len(data) != count
        or any(isinstance(v, bool) or not isinstance(v, int | float) for v in data)
    ):
        raise CompositionError(
            f"`weights` is a list of {count} numbers, one for each child; found {data!r}", path=path
        )
    return tuple(float(v) for v in data)
