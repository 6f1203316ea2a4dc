"""What variables of `for_each` may be, and what each is called in names of folders."""

from __future__ import annotations

from decimal import Decimal

from xlmerge.recipe.scalars import NotFiniteError, resolve_plain
from xlmerge.recipe.values import ValueRefusedError, check_name
from xlmerge.recipe.wording import code, found

__all__ = ["NumberValue", "check_variable_value", "number_name"]

_PLAIN_DIGITS = 6
"""Whole numbers of more digits than these, zeros at their end, are written with an exponent."""


class NumberValue(float):
    """A number with a fraction as the value of a variable; as a text, its name."""

    def __str__(self) -> str:
        return number_name(self)


def number_name(value: float) -> str:
    """A number as a name, which takes no point: ``1e-3``, ``25e-2``.

    Args:
        value: A finite number.
    """
    sign, digits, exponent = Decimal(repr(float(value))).normalize().as_tuple()
    assert isinstance(exponent, int), "not finite"  # noqa: S101
    text = "".join(map(str, digits))
    if 0 < exponent <= _PLAIN_DIGITS:
        text, exponent = text + "0" * exponent, 0
    return ("-" if sign else "") + text + (f"e{exponent}" if exponent else "")


def check_variable_value(value: object) -> object:
    """Takes what a variable may be: a text or a number that can be the name of a folder."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        quotes = "put it in quotes" if isinstance(value, bool) else None
        raise ValueRefusedError(f"expected a text or a number, found {found(value)}", quotes)
    if value == "":
        raise ValueRefusedError("expected a text or a number, found an empty text")
    name = number_name(value) if isinstance(value, float) else str(value)
    try:
        check_name(name)
    except ValueRefusedError as error:
        number = _as_number(value)
        hint = error.hint if number is None else f"as a number it is called {code(str(number))}"
        raise ValueRefusedError(
            f"the value {code(value)} cannot be the name of a folder", hint
        ) from None
    return value


def _as_number(value: object) -> NumberValue | None:
    """What a text would be without quotes, if that is a number with a fraction."""
    try:
        plain = resolve_plain(value) if isinstance(value, str) else None
    except NotFiniteError:
        return None
    return NumberValue(plain) if isinstance(plain, float) else None
