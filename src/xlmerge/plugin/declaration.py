"""What all descriptors share: a name, words for people, and annotations to read."""

from __future__ import annotations

import re
import types
import typing
from typing import TYPE_CHECKING, Annotated, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["unwrapped", "words_problems"]


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
        yield "its name is not lower-case words joined by `_` (as in `language_arithmetic`)"
    for field, text in (("summary", summary), ("source", source)):
        if not isinstance(text, str) or not text.strip():
            yield f"its {field} is empty or no text"
