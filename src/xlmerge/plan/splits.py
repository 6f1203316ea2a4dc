"""Names of splits, and the split that a file's name tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["canonical_split", "split_in_name", "split_named"]

_ALIASES = {
    "training": "train",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "development": "validation",
    "testing": "test",
}
_KNOWN = {"train", "validation", "test", *_ALIASES}


def canonical_split(name: str) -> str:
    """``validation`` for ``valid``, ``val`` and ``dev``; names that are not known stay."""
    return _ALIASES.get(name.lower(), name)


def split_named(name: str, there: Iterable[str]) -> str | None:
    """The split among those that are there which a name means.

    A split of exactly this name goes before one of a kindred name.
    """
    names = list(there)
    if name in names:
        return name
    return next((each for each in names if canonical_split(each) == canonical_split(name)), None)


def split_in_name(file_name: str) -> str | None:
    """The split that a file's name tells, as ``id_gsd-ud-train.conllu`` does.

    Returns:
        Its canonical name; None if the name tells none, or more than one.
    """
    words = re.split(r"[^a-z]+", file_name.lower())
    told = {canonical_split(word) for word in words if word in _KNOWN}
    return told.pop() if len(told) == 1 else None
