"""What single values of a recipe may be; nothing is converted on the way.

The checks take any Python object and return it unchanged, or say in one sentence why not. They know
nothing of pydantic, which calls them. A text that is only a placeholder (``<seed>``) passes where
something else than a text is asked for: it is checked again with the value in its place.
"""

from __future__ import annotations

import re

from xlmerge.recipe.wording import code, finite, found, listing, nearest

__all__ = [
    "CONTAINERS",
    "DATA_FORMATS",
    "DTYPES",
    "HEADS",
    "LONGEST_NAME",
    "NAME",
    "PLACEHOLDER",
    "VERSION",
    "ValueRefusedError",
    "check_choice",
    "check_column",
    "check_count",
    "check_heads",
    "check_label",
    "check_name",
    "check_number",
    "check_scalar",
    "check_text",
    "check_version",
    "heads_source",
]

VERSION = 1
LONGEST_NAME = 100
NAME = rf"[A-Za-z0-9_-]{{1,{LONGEST_NAME}}}"
PLACEHOLDER = rf"<{NAME}>"
HEADS = rf"drop|mean|from [A-Za-z0-9_<>/-]+|{PLACEHOLDER}"
DTYPES = ("float32", "float16", "bfloat16", "float64")
CONTAINERS = ("safetensors", "bin")
DATA_FORMATS = ("csv", "tsv", "jsonl", "json", "parquet", "text", "conll", "squad")


class ValueRefusedError(ValueError):
    """A value is not what its place asks for.

    Args:
        message: What was expected and what was found.
        hint: The next step.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def check_version(value: object) -> object:
    """Takes the number 1; true and 1.0, which Python holds equal to it, are refused."""
    if type(value) is not int or value != VERSION:
        raise ValueRefusedError(
            f"this xlmerge reads version {VERSION}, found {found(value)}",
            f"write `version: {VERSION}`, or install an xlmerge that reads this recipe",
        )
    return value


def check_text(value: object) -> object:
    """Takes a text with something in it."""
    if not isinstance(value, str):
        quotes = "put it in quotes" if isinstance(value, int | float) else None
        raise ValueRefusedError(f"expected a text, found {found(value)}", quotes)
    if not value.strip():
        raise ValueRefusedError("expected a text, found an empty one")
    return value


def check_column(value: object) -> object:
    """Takes the name of a column, or its number in files without a header."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return str(value)  # the one conversion: columns are counted from 0, and `0` says it best
    return check_text(value)


def check_name(value: object) -> object:
    """Takes a name that can be a folder and a part of a dotted path on every system."""
    if not isinstance(value, str):
        raise ValueRefusedError(f"expected a name, found {found(value)}", "put it in quotes")
    if not value:
        raise ValueRefusedError("expected a name, found an empty text")
    if len(value) > LONGEST_NAME:
        raise ValueRefusedError(
            f"the name {code(value)} is too long: {len(value)} characters, at most {LONGEST_NAME}"
        )
    if not re.fullmatch(NAME, value):
        raise ValueRefusedError(
            f"the name {code(value)} holds a character that names do not take",
            "use the letters A-Z and a-z, digits, `-` and `_`",
        )
    return value


def check_number(value: object) -> object:
    """Takes a finite int or float, or a placeholder; a bool is no number here."""
    if _is_placeholder(value):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueRefusedError(f"expected a number, found {found(value)}")
    if not finite(value):
        raise ValueRefusedError(f"expected a finite number, found {found(value)}")
    return value


def check_scalar(value: object) -> object:
    """Takes null, a bool, a text, or a finite number."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return check_number(value)
    raise ValueRefusedError(f"expected a number, a text, true, false or null, found {found(value)}")


def check_heads(value: object) -> object:
    """Takes ``drop``, ``mean``, ``from NAME``, or a placeholder."""
    if not isinstance(value, str) or not re.fullmatch(HEADS, value):
        raise ValueRefusedError(
            f"expected `drop`, `mean` or `from NAME`, found {found(value)}",
            "NAME is the adapter or step whose head is kept",
        )
    return value


def heads_source(value: object) -> str | None:
    """The NAME in ``from NAME``, or None for anything else."""
    if isinstance(value, str) and value.startswith("from ") and re.fullmatch(HEADS, value):
        return value.removeprefix("from ")
    return None


def check_choice(value: object, choices: tuple[str, ...], *, varying: bool = True) -> object:
    """Takes one of some words, or where it may vary a placeholder."""
    if (isinstance(value, str) and value in choices) or (varying and _is_placeholder(value)):
        return value
    close = nearest(value, choices) if isinstance(value, str) else []
    raise ValueRefusedError(
        f"expected one of {listing(choices)}, found {found(value)}",
        f"did you mean {code(close[0])}?" if close else None,
    )


def check_count(value: object) -> object:
    """Takes a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueRefusedError(f"expected a whole number, found {found(value)}")
    if value < 1 or not finite(value):
        raise ValueRefusedError(f"expected a whole number of at least 1, found {found(value)}")
    return value


def check_label(value: object) -> object:
    """Takes what can stand at the head of a row of a table: one line with something in it."""
    check_text(value)
    if not str(value).isprintable():
        raise ValueRefusedError(f"the label {code(value)} holds a character that cannot be printed")
    return value


def _is_placeholder(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(PLACEHOLDER, value) is not None
