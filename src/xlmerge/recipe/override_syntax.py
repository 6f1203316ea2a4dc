"""How ``--set KEY=VALUE`` is written.

A key is a dotted path such as ``steps.bridge.with.t``; a segment that holds a dot or ``=`` stands
in double quotes (``steps.a.with.t."layers.0-5"=0.1``), and an item of a list is named by its index.
A value is what could stand after ``key:`` on one line of a recipe.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from xlmerge.recipe.wording import code, found
from xlmerge.recipe.yaml_loader import parse_yaml

if TYPE_CHECKING:
    from xlmerge.recipe.document import Data

__all__ = ["OverrideRefusedError", "override_value", "split_override"]

_SEGMENT = re.compile(r'"(?:[^"\\]|\\.)*"|[^".=]+')
_SYNTAX = "write KEY=VALUE, such as --set steps.bridge.with.t=0.5"


class OverrideRefusedError(Exception):
    """An override cannot be read or carried out.

    Args:
        message: What is wrong.
        hint: The next step.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def split_override(override: str) -> tuple[tuple[str, ...], str]:
    """The path and the text of the value in ``KEY=VALUE``.

    Args:
        override: What follows ``--set``.

    Returns:
        The segments of the key, and the value as written.

    Raises:
        OverrideRefusedError: If there is no ``=`` or the key cannot be read.
    """
    path: list[str] = []
    position = 0
    while True:
        match = _SEGMENT.match(override, position)
        if not match:
            raise OverrideRefusedError("expected a key, dotted, before `=`", _SYNTAX)
        path.append(_unquoted(match[0].strip()))
        position = match.end()
        separator = override[position : position + 1]
        position += 1
        if separator == "=":
            return tuple(path), override[position:]
        if separator != ".":
            raise OverrideRefusedError(
                "the quotes in the key do not fit" if separator else "the `=` is missing", _SYNTAX
            )


def _unquoted(segment: str) -> str:
    if not segment.startswith('"'):
        if not segment:
            raise OverrideRefusedError("a part of the key is empty", _SYNTAX)
        return segment
    try:
        return str(json.loads(segment))
    except ValueError:
        raise OverrideRefusedError(
            f"the part {code(segment)} of the key is not a quoted text"
        ) from None


def override_value(text: str, option: str) -> Data:
    """The value that a text stands for, by the same strict YAML as a recipe's.

    Args:
        text: What follows the ``=``.
        option: Stands for the file in problems.

    Returns:
        A scalar, or a list or mapping in brackets or braces.

    Raises:
        OverrideRefusedError: If it is empty, has several lines or is in YAML's block form.
        RecipeError: If it is not the YAML that recipes take.
    """
    text = text.strip()
    if not text:
        raise OverrideRefusedError(
            "there is no value after `=`", "write null for nothing, or '' for an empty text"
        )
    if "\n" in text or "\r" in text:
        raise OverrideRefusedError(
            "the value has several lines", "write it as {...} or [...] on one line"
        )
    value = parse_yaml(text, option).data
    if (isinstance(value, dict) and text[0] != "{") or (isinstance(value, list) and text[0] != "["):
        raise OverrideRefusedError(
            f"expected a value on one line, found {found(value)} in YAML's block form",
            "put a text in quotes, a mapping in {...} and a list in [...]",
        )
    return value
