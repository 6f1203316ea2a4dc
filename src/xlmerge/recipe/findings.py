"""Problems on their way to the user: still with a path in the data, not yet with a position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xlmerge.errors import Problem, RecipeError
from xlmerge.recipe.document import dotted
from xlmerge.recipe.values import ValueRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xlmerge.recipe.document import Document, KeyPath

__all__ = ["Finding", "ReferencesRefusedError", "recipe_error"]

_LAST = (2, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong at a path of the data.

    Attributes:
        message: What is wrong, with expected and found.
        path: The value it is about.
        on_key: Whether it is about the key rather than the value.
        hint: The next step.
        other: A second key that belongs to it; its position is added to the message.
    """

    message: str
    path: KeyPath
    on_key: bool = False
    hint: str | None = None
    other: KeyPath | None = None


class ReferencesRefusedError(ValueRefusedError):
    """The names of a recipe do not fit together.

    Args:
        findings: What is wrong, at least one.
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("; ".join(_message(finding, None) for finding in self.findings))


def recipe_error(findings: Iterable[Finding], document: Document) -> RecipeError:
    """All findings as one error, each with its position, in the order of the file."""

    def rank(finding: Finding) -> tuple[int, int, int]:
        place = document.place(finding.path, key=finding.on_key)
        return place.rank if place else _LAST

    unique = dict.fromkeys(findings)
    return RecipeError([_problem(finding, document) for finding in sorted(unique, key=rank)])


def _problem(finding: Finding, document: Document) -> Problem:
    place = document.place(finding.path, key=finding.on_key)
    where = place.text if place else dotted(finding.path) or document.filename
    return Problem(message=_message(finding, document), where=where, hint=finding.hint)


def _message(finding: Finding, document: Document | None) -> str:
    if finding.other is None:
        return finding.message
    other = document.key_position(finding.other) if document else None
    return f"{finding.message} ({other or dotted(finding.other)})"
