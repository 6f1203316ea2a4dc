"""What all descriptors made from functions share: a name, words for people, and a signature."""

from __future__ import annotations

import inspect
import re
import types
import typing
from typing import TYPE_CHECKING, Annotated, Any

from xlmerge.plugin.parameters import ParameterSpec, annotations_of, parameter_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["described", "unwrapped", "words_problems"]


def described(
    function: Callable[..., Any], *, skip: typing.Container[str] = ()
) -> tuple[ParameterSpec, ...]:
    """The scalar parameters of a function, read from its keyword-only arguments.

    Args:
        function: Made into a descriptor.
        skip: Arguments that xlmerge fills in.

    Raises:
        TypeError: One of them is no scalar declaration, or has no annotation.
    """
    annotations = annotations_of(function)
    specs = []
    for argument in inspect.signature(function).parameters.values():
        if argument.kind is not inspect.Parameter.KEYWORD_ONLY or argument.name in skip:
            continue
        if argument.name not in annotations:
            raise TypeError(f"{function.__qualname__}: `{argument.name}` has no annotation")
        specs.append(parameter_spec(argument.name, annotations[argument.name], argument.default))
    return tuple(specs)


def unwrapped(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """An annotation without ``Annotated`` and ``| None``, and the extras it carried."""
    extras: tuple[Any, ...] = ()
    while True:
        if typing.get_origin(annotation) is Annotated:
            annotation, *rest = typing.get_args(annotation)
            extras += tuple(rest)
        elif typing.get_origin(annotation) in {typing.Union, types.UnionType}:
            members = [member for member in typing.get_args(annotation) if member is not type(None)]
            if len(members) != 1:
                return annotation, extras
            annotation = members[0]
        else:
            return annotation, extras


def words_problems(name: object, summary: object, source: object) -> Iterator[str]:
    """What is wrong with the fields that people read."""
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        yield f"the name {name!r} is not lower-case words joined by `_`"
    for field, text in (("summary", summary), ("source", source)):
        if not isinstance(text, str) or not text.strip():
            yield f"its {field} is empty or no text"
