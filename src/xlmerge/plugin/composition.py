"""Composition: how adapters sit together in a running model.

A tree of :mod:`xlmerge.plugin.trees` says what is asked for: leaves name adapters, nodes name
rules. A *rule* says what a node means. It is *inside* (it returns what the library is to activate,
and may hold hooks for the run) or *around* (it gets its children as functions from a batch to
outputs and returns one; at the root only).

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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from xlmerge.plugin.declaration import unwrapped, words_problems
from xlmerge.plugin.method import Count, Role, WeightsMarker
from xlmerge.plugin.parameters import ParameterSpec, annotations_of, parameter_spec

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Child", "CompositionRule", "composition_rule", "rule_problems"]


class _ChildMarker:
    """Tells a child from other arguments."""


Child: TypeAlias = Annotated[Any, _ChildMarker]
"""A child of a node.

Inside: what :class:`xlmerge.runtime.Child` describes. Around: a function from a batch to outputs.
"""


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
