"""How scores read in a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xlmerge.scores.table import Score, Table

__all__ = ["AVERAGE", "MISSING", "head", "is_best", "shown", "starred", "summary"]

MISSING = "–"
AVERAGE = "average"


def head(table: Table) -> list[str]:
    """Names of the columns, as :meth:`Table.line` has them; the metric's where there is but one."""
    names = [column or table.metric for column in table.columns]
    return [*names, AVERAGE] if len(names) > 1 else names


def shown(table: Table, score: Score | None) -> str:
    """Mean and standard deviation; ``n/a`` for that of one seed, for which there is none.

    The mean alone where nothing in the table was repeated.
    """
    if score is None:
        return MISSING
    if not _repeated(table):
        return _number(score.mean, table.digits)
    spread = "n/a" if score.sd is None else f"{score.sd:.{table.digits}f}"
    return f"{_number(score.mean, table.digits)} ± {spread}"


def starred(score: Score | None) -> bool:
    """Whether the difference from the baseline has an interval without 0."""
    return score is not None and score.difference is not None and score.difference.excludes_zero


def is_best(table: Table, score: Score | None, best: float | None) -> bool:
    """Whether a score is the best of its column, as far as the digits shown tell."""
    return score is not None and len(table.rows) > 1 and round(score.mean, table.digits) == best


def summary(table: Table, *, bold: bool) -> str:
    """What a table shows, in sentences.

    Args:
        table: The table.
        bold: Whether the best scores are set in bold.
    """
    scores = list(table.scores.values())
    better = "higher" if table.greater_is_better else "lower"
    seeds = _count([len(score.seeds) for score in scores], "seed")
    spread = f"mean ± standard deviation over {seeds}" if _repeated(table) else "one run of each"
    sentences = [
        f"{table.metric} ({better} is better), {spread}",
        f"Each test set has {_count([score.size for score in scores], 'row')}",
    ]
    if _repeated(table) and any(score.sd is None for score in scores):
        sentences.append("n/a: one seed has no standard deviation")
    if len(table.columns) > 1:
        sentences.append(f"The {AVERAGE} is that of the columns")
    if bold and len(table.rows) > 1:
        sentences.append("Bold: the best of a column")
    if table.baseline is not None:
        sentences.append(
            f"*: differs from {table.baseline!r}, as the 95 % interval of the difference excludes "
            f"0 (paired bootstrap over test rows, {table.resamples} samples, without correction "
            f"for the number of comparisons)"
        )
    if table.parallel and len(table.columns) > 1:
        sentences.append("The test sets are parallel: noise does not average out over them")
    if len(table.scores) < len(table.rows) * len(table.columns):
        sentences.append(f"{MISSING}: not measured")
    return ". ".join(sentences) + "."


def _repeated(table: Table) -> bool:
    """Whether any system was measured with more than one seed."""
    return any(score.sd is not None for score in table.scores.values())


def _count(counts: Sequence[int], noun: str) -> str:
    few, many = min(counts), max(counts)
    if few == many:
        return f"{few} {noun}{'' if few == 1 else 's'}"
    return f"{few} to {many} {noun}s"


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text  # no -0.0
