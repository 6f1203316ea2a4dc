"""Changes to a recipe from the command line (``--set``), before the recipe is checked.

Mappings that are missing on the way to a key are made; whether the result is a recipe is for its
checks to say.
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import TYPE_CHECKING

from xlmerge.errors import Problem, RecipeError
from xlmerge.recipe.document import Data, Document, Place, dotted
from xlmerge.recipe.override_syntax import OverrideRefusedError, override_value, split_override
from xlmerge.recipe.wording import code, found, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xlmerge.recipe.document import KeyPath

__all__ = ["apply_overrides"]


def apply_overrides(document: Document, overrides: Sequence[str]) -> Document:
    """Carries out ``--set`` options on a document.

    Args:
        document: The document; left as it is.
        overrides: The options' values, later ones on top of earlier ones.

    Returns:
        A document with the changes, in which positions read ``--set KEY`` where they are changed.

    Raises:
        RecipeError: With all overrides that cannot be read or carried out.
    """
    if not overrides:
        return document
    changed = _Changed(document)
    problems: list[Problem] = []
    for number, override in enumerate(overrides):
        try:
            path, text = split_override(override)
        except OverrideRefusedError as error:
            where = f"--set {shortened(override)}"
            problems.append(Problem(message=error.message, where=where, hint=error.hint))
            continue
        option = f"--set {dotted(path)}"
        try:
            changed.set(path, override_value(text, option), Place.on_command_line(number, option))
        except OverrideRefusedError as error:
            problems.append(Problem(message=error.message, where=option, hint=error.hint))
        except RecipeError as error:
            # Lines and columns of the value say nothing on a command line.
            problems.extend(
                Problem(message=problem.message, where=option, hint=problem.hint)
                for problem in error.problems
            )
    if problems:
        raise RecipeError(problems)
    return changed.document()


class _Changed:
    """A copy of a document that is being changed."""

    def __init__(self, document: Document) -> None:
        self._filename = document.filename
        self._data = deepcopy(document.data)
        self._values = dict(document.values)
        self._keys = dict(document.keys)

    def document(self) -> Document:
        return Document(
            filename=self._filename, data=self._data, values=self._values, keys=self._keys
        )

    def set(self, path: Sequence[str], value: Data, place: Place) -> None:
        # First the way, without a change, so that an override which is refused leaves no trace.
        real, holder = self._existing(path)
        made: Data = value
        for segment in reversed(path[len(real) + 1 :]):
            made = {segment: made}
        if isinstance(holder, list):
            index = self._index(holder, path[len(real)], real)
            self._forget((*real, index))
            holder[index] = made
            real = (*real, index)
        elif isinstance(holder, dict):
            key = path[len(real)]
            self._forget((*real, key))
            holder[key] = made
            real = (*real, key)
        self._remember(real, path[len(real) :], place)

    def _existing(self, path: Sequence[str]) -> tuple[KeyPath, Data]:
        """The innermost collection on the way that is there already, and its path."""
        if self._data is None:
            self._data = {}
        holder: Data = self._data
        real: KeyPath = ()
        for segment in path[:-1]:
            inner: Data
            if isinstance(holder, list):
                step: str | int = self._index(holder, segment, real)
                inner = holder[int(step)]
            elif isinstance(holder, dict):
                step, inner = segment, holder.get(segment)
            else:
                break
            if inner is None:  # also a key without a value, as in `with:`
                break
            real, holder = (*real, step), inner
        if not isinstance(holder, dict | list):
            raise OverrideRefusedError(
                f"{code(dotted(real)) if real else 'the recipe'} is {found(holder)}, "
                "not a mapping; there is nothing to set in it"
            )
        return real, holder

    @staticmethod
    def _index(holder: list[Data], segment: str, path: KeyPath) -> int:
        if not re.fullmatch("[0-9]{1,9}", segment) or int(segment) >= len(holder):
            last = f"0 to {len(holder) - 1}" if holder else "none, the list is empty"
            raise OverrideRefusedError(
                f"{code(dotted(path))} is a list without an item {code(segment)}",
                f"items are numbered from 0 ({last}); to make it longer, set the whole list",
            )
        return int(segment)

    def _forget(self, path: KeyPath) -> None:
        """Drops the places of a value that is replaced; its own key stays where it was."""
        depth = len(path)
        self._values = {p: place for p, place in self._values.items() if p[:depth] != path}
        self._keys = {
            p: place for p, place in self._keys.items() if p[:depth] != path or len(p) == depth
        }

    def _remember(self, path: KeyPath, made: Sequence[str], place: Place) -> None:
        self._values[path] = place
        self._keys.setdefault(path, place)
        for segment in made:
            path = (*path, segment)
            self._values[path] = self._keys[path] = place
