"""A table of scores for a terminal: plain text, and for rich."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from xlmerge.scores.wording import head, is_best, shown, starred, summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xlmerge.scores.table import Score, Table

__all__ = ["rich_table", "to_text"]

_WIDTH = 100  # of the caption


def to_text(table: Table) -> str:
    """Systems by test sets in aligned columns, with a caption below; ends with a line break."""
    cells = [["", *head(table)]]
    cells += [[row, *(_cell(table, score) for score in table.line(row))] for row in table.rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [_aligned(line, widths) for line in cells]
    caption = textwrap.fill(summary(table, bold=False), _WIDTH, break_on_hyphens=False)
    return "\n".join([*lines, "", caption, ""])


def rich_table(table: Table) -> Any:
    """The same for a rich console, the best of each column in bold (a ``rich.table.Table``)."""
    from rich.table import Table as RichTable
    from rich.text import Text

    best = table.best()
    made = RichTable(caption=Text(summary(table, bold=True)), caption_justify="left")
    made.add_column("")
    for name in head(table):
        made.add_column(Text(name), justify="right")
    for row in table.rows:
        pairs = zip(table.line(row), best, strict=True)
        made.add_row(
            Text(row),
            *(
                Text(_cell(table, score), style="bold" if is_best(table, score, top) else "")
                for score, top in pairs
            ),
        )
    return made


def _cell(table: Table, score: Score | None) -> str:
    """A star or a blank at the end keeps the digits of a column below each other."""
    return shown(table, score) + ("*" if starred(score) else " ")


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    label, *cells = line
    padded = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
    return "  ".join([label.ljust(widths[0]), *padded]).rstrip()
