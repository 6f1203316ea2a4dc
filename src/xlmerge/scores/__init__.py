"""Scores of several systems on several test sets: a table, what is chance in it, and its files.

Needs NumPy alone, and only when a table is made.
"""

from xlmerge.scores.compare import score_table
from xlmerge.scores.markdown import to_markdown
from xlmerge.scores.plain import rich_table, to_text
from xlmerge.scores.table import Difference, Measured, Score, Table
from xlmerge.scores.whole import to_csv, to_json

__all__ = [
    "Difference",
    "Measured",
    "Score",
    "Table",
    "rich_table",
    "score_table",
    "to_csv",
    "to_json",
    "to_markdown",
    "to_text",
]
