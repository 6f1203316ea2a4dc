"""A signature as a declaration: which inputs and parameters a function takes.

Methods and spaces declare them by annotations.

>>> from typing import Annotated
>>> def example(
...     *, density: Annotated[float, Between(0, 1), "share of entries kept"] = 0.2
... ) -> None: ...
>>> [spec] = parameter_specs(example)
>>> spec.check(0.5), spec.describe()
(0.5, 'number in [0, 1], default 0.2')
"""

from __future__ import annotations

import inspect
import math
import types
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from xlmerge.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "AtLeast",
    "Between",
    "ParameterSpec",
    "annotations_of",
    "parameter_spec",
    "parameter_specs",
]


@dataclass(frozen=True, slots=True)
class Between:
    """Range of a number: from ``low`` to ``high``, ends included unless they are open."""

    low: float
    high: float
    open_low: bool = False
    open_high: bool = False

    def contains(self, value: float) -> bool:
        """Whether ``value`` lies in the range."""
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below

    def __str__(self) -> str:
        left, right = "(" if self.open_low else "[", ")" if self.open_high else "]"
        return f"in {left}{self.low:g}, {self.high:g}{right}"


@dataclass(frozen=True, slots=True)
class AtLeast:
    """Range of a number without upper end; ``open`` leaves ``low`` itself out."""

    low: float
    open: bool = False

    def contains(self, value: float) -> bool:
        """Whether ``value`` lies in the range."""
        return value > self.low if self.open else value >= self.low

    def __str__(self) -> str:
        return f"{'above' if self.open else 'at least'} {self.low:g}"


REQUIRED: Any = inspect.Parameter.empty

_KINDS: dict[type, str] = {float: "number", int: "whole number", bool: "true or false", str: "text"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSpec:
    """One parameter, as declared.

    Attributes:
        name: Name in ``with:``.
        type: ``float``, ``int``, ``bool`` or ``str``; of each value if it takes many.
        default: Value if the recipe gives none; ``REQUIRED`` if it has to.
        range: Allowed numbers.
        choices: Allowed texts, if limited.
        optional: Whether ``null`` is allowed.
        many: Whether it takes a list of them, not empty; a single one stands for a list of one.
        summary: What it does, one line.
    """

    name: str
    type: type
    default: Any = REQUIRED
    range: Between | AtLeast | None = None
    choices: tuple[str, ...] = ()
    optional: bool = False
    many: bool = False
    summary: str = ""

    @property
    def required(self) -> bool:
        """Whether a value has to be given."""
        return self.default is REQUIRED

    def check(self, value: object) -> Any:
        """Give ``value`` back in the declared type; many of them as a tuple.

        Raises:
            ParameterError: It is of another type, not finite, or out of range.
        """
        if value is None and self.optional:
            return None
        if self.many:
            values = value if isinstance(value, list | tuple) else (value,)
            if not values:
                raise ParameterError(
                    f"`{self.name}` expects {self.describe()}; found an empty list"
                )
            return tuple(self._check_one(one) for one in values)
        return self._check_one(value)

    def _check_one(self, value: object) -> Any:
        if self.type is float and isinstance(value, int) and not isinstance(value, bool):
            try:
                value = float(value)
            except OverflowError:
                value = math.inf if value > 0 else -math.inf
        if not isinstance(value, self.type) or (isinstance(value, bool) and self.type is not bool):
            raise ParameterError(f"`{self.name}` expects {self.describe()}; found {value!r}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ParameterError(f"`{self.name}` expects a finite number; found {value!r}")
        if self.choices and value not in self.choices:
            raise ParameterError(
                f"`{self.name}` expects one of {', '.join(self.choices)}; found {value!r}"
            )
        if (
            self.range is not None
            and isinstance(value, int | float)
            and not self.range.contains(value)
        ):
            raise ParameterError(
                f"`{self.name}` expects a {_KINDS[self.type]} {self.range}; found {value!r}"
            )
        return value

    def describe(self) -> str:
        """Type, range and default in one line."""
        kind = " or ".join(self.choices) if self.choices else _KINDS[self.type]
        if self.many:
            kind = f"list of {kind}" if self.choices else f"list of {kind}s"
        if self.range is not None:
            kind += f" {self.range}"
        if self.required:
            return f"{kind}, required"
        default = (
            "none"
            if self.default is None
            else str(self.default).lower()
            if self.type is bool
            else ", ".join(map(str, self.default))
            if self.many
            else self.default
        )
        return f"{kind}, default {default}"


def annotations_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of the keyword-only arguments of ``function`` as objects, ``Annotated`` kept.

    The others are left alone: they may name what is imported for type checkers only.

    Raises:
        TypeError: An annotation names something that does not exist where the function is defined;
            or it is no plain function, so that there is no such place.
    """
    function = inspect.unwrap(function)
    if not inspect.isroutine(function) or not hasattr(function, "__globals__"):
        raise TypeError(
            f"expected a function, whose signature can be read; found {function!r} of type "
            f"{type(function).__name__}"
        )
    names = [
        name
        for name, argument in inspect.signature(function).parameters.items()
        if argument.kind is inspect.Parameter.KEYWORD_ONLY and name in function.__annotations__
    ]
    holder = types.SimpleNamespace(
        __annotations__={name: function.__annotations__[name] for name in names}
    )
    try:
        return typing.get_type_hints(holder, globalns=function.__globals__, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"the annotations of {function.__qualname__} cannot be evaluated: {error}; "
            "import what they name at run time"
        ) from error


def parameter_spec(name: str, annotation: Any, default: Any = REQUIRED) -> ParameterSpec:
    """Read one declaration.

    Args:
        name: The parameter's name.
        annotation: ``float``, ``int``, ``bool``, ``str``, a ``Literal`` of texts, many of one of
            these as ``tuple[int, ...]``, one of these ``| None``, or ``Annotated`` with a range
            (``Between``, ``AtLeast``) and a text that says what it does.
        default: Its default.

    Raises:
        TypeError: The annotation is none of these, or the default breaks it.
    """
    extras: tuple[Any, ...] = ()
    if typing.get_origin(annotation) is typing.Annotated:
        annotation, *rest = typing.get_args(annotation)
        extras = tuple(rest)
    optional = False
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        members = [member for member in typing.get_args(annotation) if member is not type(None)]
        optional = len(members) < len(typing.get_args(annotation))
        if len(members) != 1:
            raise TypeError(
                f"`{name}`: a parameter has one type, perhaps `| None`; found {annotation}"
            )
        annotation = members[0]
    many = typing.get_origin(annotation) is tuple and typing.get_args(annotation)[1:] == (...,)
    if many:
        annotation = typing.get_args(annotation)[0]
    choices: tuple[str, ...] = ()
    if typing.get_origin(annotation) is Literal:
        choices = typing.get_args(annotation)
        annotation = str
        if not all(isinstance(choice, str) for choice in choices):
            raise TypeError(f"`{name}`: choices are texts; found {choices}")
    if annotation not in _KINDS:
        raise TypeError(
            f"`{name}`: a parameter is float, int, bool, str or a Literal of texts, or a tuple of "
            f"one of these; found {annotation}"
        )
    ranges = [extra for extra in extras if isinstance(extra, Between | AtLeast)]
    texts = [extra for extra in extras if isinstance(extra, str)]
    if len(ranges) > 1 or len(texts) > 1 or len(ranges) + len(texts) != len(extras):
        raise TypeError(f"`{name}`: Annotated takes one range and one text; found {extras}")
    spec = ParameterSpec(
        name=name,
        type=annotation,
        default=default,
        range=ranges[0] if ranges else None,
        choices=choices,
        optional=optional,
        many=many,
        summary=texts[0] if texts else "",
    )
    if not spec.required:
        try:
            spec.check(default)
        except ParameterError as error:
            raise TypeError(f"the default breaks its own declaration: {error}") from error
    return spec


def parameter_specs(
    function: Callable[..., Any], *, skip: Iterable[str] = ()
) -> tuple[ParameterSpec, ...]:
    """All keyword-only parameters of ``function``, in order, less those in ``skip``.

    Raises:
        TypeError: One of them is no declaration of a parameter, or has no annotation.
    """
    annotations = annotations_of(function)
    skipped = set(skip)
    specs = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY or name in skipped:
            continue
        if name not in annotations:
            raise TypeError(f"`{name}` has no annotation")
        specs.append(parameter_spec(name, annotations[name], parameter.default))
    return tuple(specs)
