"""How names, values and choices read in messages."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["code", "did_you_mean", "finite", "found", "listing", "misspelt", "nearest", "shortened"]

_LONGEST = 60
_MOST_NAMES = 12


def shortened(text: str) -> str:
    """A text cut to a length that a message can bear, its control characters made visible."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 3] + "..."


def code(text: object) -> str:
    """A key or name between backticks."""
    return f"`{shortened(str(text))}`"


def found(value: object) -> str:
    """What a value is, as in "found the text 'abc'"."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        # Python refuses to print integers of thousands of digits.
        tall = isinstance(value, int) and value.bit_length() > 256
        return "a very large number" if tall else f"the number {value}"
    if isinstance(value, str):
        return f"the text '{shortened(value)}'" if value else "an empty text"
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    return f"a Python object of type {type(value).__name__}"


def listing(names: Iterable[str]) -> str:
    """Names in backticks between commas, the rest counted where they are many."""
    shown = [code(name) for name in names]
    if len(shown) > _MOST_NAMES:
        shown = [*shown[:_MOST_NAMES], f"... ({len(shown) - _MOST_NAMES} more)"]
    return ", ".join(shown)


def nearest(name: object, known: Iterable[str]) -> list[str]:
    """The known names that a misspelt one may have meant, best first; letter case is forgiven."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(str(name)[:200].lower(), by_lower, n=3, cutoff=0.6)
    return [by_lower[match] for match in close]


def did_you_mean(name: object, known: Iterable[str], *, what: str) -> str:
    """The hint for a name that is not known: the nearest ones, else all of them.

    Args:
        name: What was written.
        known: What could have been written.
        what: What these are called, in the plural, such as ``known keys``.

    Returns:
        One sentence, or two where there is something near.
    """
    known = list(known)
    if not known:
        return f"there are no {what}"
    close = nearest(name, known)
    guess = f"did you mean {' or '.join(code(match) for match in close)}? " if close else ""
    return f"{guess}{what}: {listing(known)}"


def misspelt(key: str, mapping: Mapping[str, object]) -> bool:
    """Whether a key that a mapping lacks seems to be there under a misspelt name.

    The misspelt key is a problem already; that the right one is missing would be the same again.
    """
    if key in mapping:
        return False
    others = (str(name).lower() for name in mapping)
    return bool(difflib.get_close_matches(key, others, n=1, cutoff=0.7))


def finite(value: float) -> bool:
    """Whether a number is finite and small enough to be computed with."""
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond the largest float
        return False
