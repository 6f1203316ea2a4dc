"""Plain data together with where each piece of it was written."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Data", "Document", "KeyPath", "Place", "dotted"]

KeyPath: TypeAlias = tuple[str | int, ...]
"""The keys and list indices that lead from the top of a document to one of its values."""

Data: TypeAlias = "dict[str, Data] | list[Data] | str | int | float | bool | None"
"""What a YAML text can hold once it is read."""


class Place(NamedTuple):
    """Where something was written.

    Attributes:
        rank: Sorts places: a file's by line and column, then the command line's in order.
        text: ``file:line:column``, or the option of the command line.
    """

    rank: tuple[int, int, int]
    text: str

    @classmethod
    def in_file(cls, filename: str, line: int, column: int) -> Place:
        """The place at a line and column, both counted from 1."""
        return cls((0, line, column), f"{filename}:{line}:{column}")

    @classmethod
    def on_command_line(cls, number: int, option: str) -> Place:
        """The place of the option with this running number."""
        return cls((1, number, 0), option)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A read recipe file: plain data, and the places it came from.

    Attributes:
        filename: Name of the file, for messages.
        data: The content as plain dicts, lists and scalars. Every piece is a copy of its own, also
            where the file repeats it by an alias.
        values: Place of each value by its path.
        keys: Place of each mapping's key by the path of its value.
    """

    filename: str
    data: Data
    values: Mapping[KeyPath, Place] = field(default_factory=dict)
    keys: Mapping[KeyPath, Place] = field(default_factory=dict)

    def position(self, path: KeyPath) -> str | None:
        """Where the value at a path was written, or else the nearest value around it.

        Args:
            path: Keys and indices from the top; need not exist.

        Returns:
            ``file:line:column`` counted from 1, ``--set KEY`` for a value of the command line, or
            None if nothing is known, as for data that was never a text. A value written as an
            alias has the place of its anchor.
        """
        place = self.place(path)
        return place.text if place else None

    def key_position(self, path: KeyPath) -> str | None:
        """Where the key of the value at a path was written, or else the nearest key around it.

        Args:
            path: Keys and indices from the top; need not exist.

        Returns:
            As `position`; for an item of a list, which has no key, its own position.
        """
        place = self.place(path, key=True)
        return place.text if place else None

    def place(self, path: KeyPath, *, key: bool = False) -> Place | None:
        """The place behind `position`, or with ``key`` the one behind `key_position`."""
        for length in range(len(path), -1, -1):
            found = self.keys.get(path[:length]) if key else None
            found = found or self.values.get(path[:length])
            if found:
                return found
        return None


def dotted(path: KeyPath) -> str:
    """A path as it is written in ``--set``: dots between segments, double quotes where needed."""
    return ".".join(_segment(str(part)) for part in path)


def _segment(part: str) -> str:
    if re.fullmatch(r"[\w-]+", part):
        return part
    return json.dumps(part, ensure_ascii=not part.isprintable())
