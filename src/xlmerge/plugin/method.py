"""Merge methods: pure functions in the words of spaces.

    @merge_method(summary="Weighted sum of adapters.", source="...")
    def linear(space: Space, *, adapters: Sequence[Point], weights: Weights) -> Point:
        return space.restore(space.lincomb(weights, [space.delta(x) for x in adapters]))

The signature is the whole declaration: ``Point`` is a role, ``Sequence[Point]`` any number of
adapters, ``Weights`` one weight for each of these, annotated scalars are parameters; ``space`` and
``rng`` are given by the engine.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from xlmerge.plugin.declaration import unwrapped
from xlmerge.plugin.parameters import ParameterSpec, annotations_of, parameter_spec
from xlmerge.plugin.random import Random
from xlmerge.spaces.protocol import Point

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "Count",
    "MergeMethod",
    "Role",
    "Scope",
    "Weights",
    "declaration_problems",
    "merge_method",
]

Scope = Literal["parameter", "layer", "adapter"]
_POSITIONAL_ONLY = inspect.Parameter.POSITIONAL_ONLY
_POSITIONAL = inspect.Parameter.POSITIONAL_OR_KEYWORD

RESERVED = frozenset({"scope", "seed"})


class WeightsMarker:
    """Tells a list of weights from other lists."""


Weights: TypeAlias = Annotated[Sequence[float], WeightsMarker]
"""One weight per adapter, in their order; the engine normalises nothing."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many adapters a ``Sequence[Point]`` takes."""

    least: int = 1
    most: int | None = None

    def __str__(self) -> str:
        if self.most == self.least:
            return f"exactly {self.least}"
        return f"at least {self.least}" if self.most is None else f"{self.least} to {self.most}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A named input of a method.

    Attributes:
        name: As written under ``roles:``.
        required: Whether it has to be given.
        summary: What adapter goes here.
    """

    name: str
    required: bool = True
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeMethod:
    """A named way to merge, made from a function by :func:`merge_method`.

    Attributes:
        name: As written after ``merge:``.
        summary: One sentence.
        source: Paper and equation.
        function: The computation.
        roles: Named inputs.
        count: How many adapters it takes beside the roles; None if none.
        weighted: Whether each of those has a weight, ``"required"``, ``"optional"`` or ``"no"``.
        parameters: Scalars.
        random: Whether it draws random numbers (and so has a ``seed``).
        scopes: What one call may span: a parameter, a layer, or the whole adapter; the first is the
            default.
        elementwise: Whether it works on the entries of dense deltas (and so makes full-rank
            results).
        symmetric: Whether the order of ``adapters`` is without meaning; the engine then sorts them
            by name, so that the same recipe gives the same bytes in any order.
        heads: ``ask`` (one head is carried unchanged; of several the recipe names one), ``drop``,
            or ``from ROLE``.
        distinct: Pairs of roles that must not hold identical adapters, since the result would be
            without effect.
        arrays: Array libraries it runs on; all that follow the standard if empty.
    """

    name: str
    summary: str
    source: str
    function: Callable[..., Any]
    roles: tuple[Role, ...] = ()
    count: Count | None = None
    weighted: Literal["required", "optional", "no"] = "no"
    parameters: tuple[ParameterSpec, ...] = ()
    random: bool = False
    scopes: tuple[Scope, ...] = ("parameter",)
    elementwise: bool = False
    symmetric: bool = False
    heads: str = "ask"
    distinct: tuple[tuple[str, str], ...] = ()
    arrays: tuple[str, ...] = field(default=())

    def __call__(self, space: Any, **inputs: Any) -> Any:
        """Compute, as the function does."""
        return self.function(space, **inputs)


def merge_method(  # noqa: PLR0913 - one argument for each thing a method may declare
    *,
    summary: str,
    source: str,
    name: str | None = None,
    scopes: tuple[Scope, ...] = ("parameter",),
    elementwise: bool = False,
    symmetric: bool = False,
    heads: str = "ask",
    distinct: tuple[tuple[str, str], ...] = (),
    arrays: tuple[str, ...] = (),
) -> Callable[[Callable[..., Any]], MergeMethod]:
    """Make a :class:`MergeMethod` of a function.

    See there for the arguments, and the module for the signature.

    Raises:
        TypeError: The signature is no declaration of a method.
    """

    def declare(function: Callable[..., Any]) -> MergeMethod:
        read = _read_signature(function)
        method = MergeMethod(
            name=name or function.__name__,
            summary=summary,
            source=source,
            function=function,
            scopes=scopes,
            elementwise=elementwise,
            symmetric=symmetric,
            heads=heads,
            distinct=distinct,
            arrays=arrays,
            **read,
        )
        problems = [*_problems_in_words(method), *declaration_problems(method)]
        if problems:
            raise TypeError(f"merge method {method.name!r}: {'; '.join(problems)}")
        return method

    return declare


def _read_signature(function: Callable[..., Any]) -> dict[str, Any]:
    """Sort arguments into roles, adapters, weights, parameters and injected ones."""
    annotations = annotations_of(function)
    roles: list[Role] = []
    parameters: list[ParameterSpec] = []
    read: dict[str, Any] = {"count": None, "weighted": "no", "random": False}
    arguments = list(inspect.signature(function).parameters.values())
    if (
        not arguments
        or arguments[0].name != "space"
        or arguments[0].kind not in {_POSITIONAL_ONLY, _POSITIONAL}
    ):
        raise TypeError(
            f"{function.__qualname__}: the first argument of a merge method is `space`, "
            "which is passed by position"
        )
    for argument in arguments[1:]:
        if argument.kind is not inspect.Parameter.KEYWORD_ONLY:
            raise TypeError(
                f"{function.__qualname__}: `{argument.name}` has to be keyword-only "
                "(write `*` before it)"
            )
        if argument.name not in annotations:
            raise TypeError(f"{function.__qualname__}: `{argument.name}` has no annotation")
        given = argument.default is not inspect.Parameter.empty
        bare, extras = unwrapped(annotations[argument.name])
        text = next((extra for extra in extras if isinstance(extra, str)), "")
        if argument.name == "rng" or bare is Random:
            read["random"] = True
        elif bare is Point:
            roles.append(Role(name=argument.name, required=not given, summary=text))
        elif typing.get_origin(bare) is Sequence and typing.get_args(bare) == (Point,):
            if argument.name != "adapters":
                raise TypeError(
                    f"{function.__qualname__}: the argument that takes any number is called "
                    "`adapters`"
                )
            read["count"] = next((extra for extra in extras if isinstance(extra, Count)), Count())
        elif WeightsMarker in extras:
            read["weighted"] = "optional" if given else "required"
        else:
            parameters.append(
                parameter_spec(argument.name, annotations[argument.name], argument.default)
            )
    return {**read, "roles": tuple(roles), "parameters": tuple(parameters)}


def _problems_in_words(method: MergeMethod) -> Iterator[str]:
    """What is wrong with the fields that people read."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", method.name):
        yield f"the name {method.name!r} is not lower-case words joined by `_`"
    if not method.summary or not method.source:
        yield "summary and source must not be empty"


def declaration_problems(method: MergeMethod) -> Iterator[str]:
    """What the engine could not keep of a declaration, however it was made."""
    roles = [role.name for role in method.roles]
    if method.count is None and not method.roles:
        yield "it takes no adapter: declare a `Point` or `adapters: Sequence[Point]`"
    if method.count is None and method.weighted != "no":
        yield "it takes weights but no `adapters`"
    if not method.scopes:
        yield "it has no scope"
    for scope in method.scopes:
        if scope not in typing.get_args(Scope):
            yield f"its scope {scope!r} is none of {', '.join(typing.get_args(Scope))}"
    if method.random and tuple(method.scopes) != ("parameter",):
        yield "a method that draws random numbers works per parameter"
    if method.heads not in {"ask", "drop", *(f"from {role}" for role in roles)}:
        yield f"heads={method.heads!r} is neither ask, drop nor `from ROLE` of {sorted(roles)}"
    for role in sorted({role for pair in method.distinct for role in pair} - set(roles)):
        yield f"distinct names the unknown role {role!r}"
    for spec in method.parameters:
        if spec.name in RESERVED:
            yield f"`{spec.name}` is a name the engine uses"
