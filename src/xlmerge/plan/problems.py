"""The problems of one step as they are found, with their places."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from xlmerge.errors import Problem, XLMergeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from xlmerge.plan.request import Place

__all__ = ["Problems", "nearest"]


class Problems:
    """Collects what is wrong with a step, so that the user hears of all of it at once.

    Args:
        where: Place of a path below the step, in words.
    """

    def __init__(self, where: Callable[[Place], str]) -> None:
        self.found: list[Problem] = []
        self.warnings: list[str] = []
        self._where = where

    def __bool__(self) -> bool:
        return bool(self.found)

    def refuse(self, place: Place, message: str, hint: str | None = None) -> None:
        """Add a problem, unless it was found before at the same place."""
        problem = Problem(message=message, where=self._where(place), hint=hint)
        if problem not in self.found:
            self.found.append(problem)

    def refuse_error(self, place: Place, error: XLMergeError) -> None:
        """Add a problem that was raised as an error."""
        self.refuse(place, error.message, error.hint)


def nearest(name: str, known: Iterable[str]) -> str:
    """The nearest of the known names as a clause, or nothing."""
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean `{close[0]}`?" if close else ""
