"""What an unquoted scalar means: YAML 1.2's core schema, and nothing else.

PyYAML alone follows YAML 1.1, where ``no`` is false, ``1e-3`` a text and ``012`` ten. Here:

- null is ``null``, ``Null``, ``NULL``, ``~`` or nothing at all;
- booleans are ``true`` and ``false`` (and ``True``, ``TRUE``, ...); ``no``, ``yes``, ``on``,
  ``off``, ``n`` and ``y`` are texts, so Norwegian is safe;
- integers are ``12``, ``-2``, ``0o17``, ``0x1F``; ``012`` is twelve;
- numbers are ``0.5``, ``.5``, ``1e-3``, ``1E5``, ``+1.5``;
- everything else is a text, among it ``1_000``, ``1:30``, ``2024-01-31`` and ``0b101``.
"""

from __future__ import annotations

import re

from xlmerge.recipe.wording import finite, shortened

__all__ = ["NotFiniteError", "resolve_plain"]

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class NotFiniteError(ValueError):
    """A scalar is infinite, not a number, or too large to be computed with."""


def resolve_plain(text: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar.

    Args:
        text: The scalar as written.

    Returns:
        The value that the core schema gives it.

    Raises:
        NotFiniteError: For ``.inf``, ``.nan`` and numbers beyond the range of a float.
    """
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if _NOT_FINITE.fullmatch(text):
        raise NotFiniteError(f"{text} is not a finite number")
    value: int | float
    if _OCTAL.fullmatch(text) or _HEXADECIMAL.fullmatch(text):
        value = int(text, 0)  # without a limit of digits for powers of two
    elif _FLOAT.fullmatch(text):
        # As a float first: Python refuses to read decimal integers of thousands of digits.
        value = float(text)
        if finite(value) and _DECIMAL.fullmatch(text):
            value = _whole(text)
    else:
        return text
    if not finite(value):
        raise NotFiniteError(f"the number {shortened(text)} is too large")
    return value


def _whole(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    return sign * int(text.lstrip("+-").lstrip("0") or "0")
