"""A table of scores in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlmerge.scores.wording import head, is_best, shown, starred, summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xlmerge.scores.table import Score, Table

__all__ = ["to_markdown"]


def to_markdown(table: Table) -> str:
    """Systems by test sets, with a caption below; ends with a line break."""
    best = table.best()
    lines = [
        _line(["", *map(_plain, head(table))]),
        _line(["---", *["---:"] * len(best)]),
    ]
    for row in table.rows:
        pairs = zip(table.line(row), best, strict=True)
        lines.append(_line([_plain(row), *(_cell(table, score, top) for score, top in pairs)]))
    return "\n".join([*lines, "", _plain(summary(table, bold=True)), ""])


def _cell(table: Table, score: Score | None, best: float | None) -> str:
    text = shown(table, score)
    if is_best(table, score, best):
        text = f"**{text}**"
    return f"{text}\\*" if starred(score) else text


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """A text that Markdown shows as it is."""
    for sign in "\\|*_`<[":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
