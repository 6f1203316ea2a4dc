"""Composition: how adapters sit together in a running model.

A *tree* says what is asked for, as plain data: leaves name adapters, nodes name rules. A *rule*
says what a node means. It is *inside* (it returns what the library is to activate, and may hold
hooks for the run) or *around* (it gets its children as functions from a batch to outputs and
returns one; at the root only).

    @composition_rule(kind="inside", summary="One after the other.", source="Pfeiffer et al. 2020")
    def stack(live: Composing, *, children: Annotated[Sequence[Child], Count(2)]) -> Block:
        from adapters.composition import Stack

        return Stack(*(child.block for child in children))

The signature is the whole declaration: ``Child`` is a role, ``Sequence[Child]`` any number of
children, ``Weights`` one weight for each of these, annotated scalars are options.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from xlmerge.errors import CompositionError
from xlmerge.plugin.declaration import unwrapped, words_problems
from xlmerge.plugin.method import Count, Role, WeightsMarker
from xlmerge.plugin.parameters import ParameterSpec, annotations_of, parameter_spec

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Child",
    "CompositionRule",
    "Leaf",
    "Node",
    "Tree",
    "composition_rule",
    "leaves",
    "parse_tree",
    "tree_data",
    "tree_text",
]


class _ChildMarker:
    """Tells a child from other arguments."""


Child: TypeAlias = Annotated[Any, _ChildMarker]
"""A child of a node.

Inside: what :class:`xlmerge.runtime.Child` describes. Around: a function from a batch to outputs.
"""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositionRule:
    """A named way to compose adapters, made from a function by :func:`composition_rule`.

    Attributes:
        name: As written in a tree.
        kind: ``inside`` or ``around``.
        summary: One sentence.
        source: Paper or library.
        function: Builds the composition.
        roles: Named children.
        count: How many children it takes beside the roles; None if none.
        weighted: Whether each of those has a weight.
        parameters: Options.
        in_recipes: Whether recipes may use it; if not, it is for Python alone, where the caller
            makes the batches.
    """

    name: str
    kind: Literal["inside", "around"]
    summary: str
    source: str
    function: Callable[..., Any]
    roles: tuple[Role, ...] = ()
    count: Count | None = None
    weighted: Literal["required", "optional", "no"] = "no"
    parameters: tuple[ParameterSpec, ...] = ()
    in_recipes: bool = True


def composition_rule(
    *,
    kind: Literal["inside", "around"],
    summary: str,
    source: str,
    name: str | None = None,
    in_recipes: bool = True,
) -> Callable[[Callable[..., Any]], CompositionRule]:
    """Make a function into a composition rule.

    Args:
        kind: ``inside``: called with an :class:`xlmerge.runtime.Composing`, and children as
            :class:`xlmerge.runtime.Child`; returns a block. ``around``: called with children as
            functions from a batch to outputs; returns such a function.
        summary: One sentence.
        source: Paper or library.
        name: The function's own if not given.
        in_recipes: See :class:`CompositionRule`.

    Raises:
        TypeError: The signature is no declaration.
    """

    def make(function: Callable[..., Any]) -> CompositionRule:
        rule = CompositionRule(
            name=name or function.__name__,
            kind=kind,
            summary=summary,
            source=source,
            function=function,
            in_recipes=in_recipes,
            **_declaration(function),
        )
        if problems := list(rule_problems(rule)):
            raise TypeError(f"{function.__qualname__}: {'; '.join(problems)}")
        return rule

    return make


def _declaration(function: Callable[..., Any]) -> dict[str, Any]:
    annotations = annotations_of(function)
    read: dict[str, Any] = {}
    roles, parameters = [], []
    for argument in inspect.signature(function).parameters.values():
        if argument.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue
        annotation = annotations.get(argument.name)
        bare, extras = unwrapped(annotation)
        given = argument.default is not inspect.Parameter.empty
        if WeightsMarker in extras:
            read["weighted"] = "optional" if given else "required"
        elif _ChildMarker in extras:
            text = next((extra for extra in extras if isinstance(extra, str)), "")
            roles.append(Role(name=argument.name, required=not given, summary=text))
        elif (
            typing.get_origin(bare) is Sequence
            and _ChildMarker in unwrapped(typing.get_args(bare)[0])[1]
        ):
            if argument.name != "children":
                raise TypeError(
                    f"{function.__qualname__}: the argument that takes any number is called "
                    "`children`"
                )
            read["count"] = next((extra for extra in extras if isinstance(extra, Count)), Count())
        else:
            parameters.append(parameter_spec(argument.name, annotation, argument.default))
    return {**read, "roles": tuple(roles), "parameters": tuple(parameters)}


def rule_problems(rule: CompositionRule) -> Iterator[str]:
    """What could not be kept of a declaration, however it was made."""
    yield from words_problems(rule.name, rule.summary, rule.source)
    if rule.name in {"weights", "with"}:
        yield f"`{rule.name}` stands beside rules in a tree and cannot be the name of one"
    if rule.kind not in {"inside", "around"}:
        yield f"its kind {rule.kind!r} is neither inside nor around"
    if rule.count is None and not rule.roles:
        yield "it takes no children: declare a `Child` or `children: Sequence[Child]`"
    if rule.count is not None and rule.roles:
        yield "it takes children by role or any number of them, not both"
    if rule.count is None and rule.weighted != "no":
        yield "it takes weights but no `children`"
    if not callable(rule.function):
        yield f"its function cannot be called: {rule.function!r}"
