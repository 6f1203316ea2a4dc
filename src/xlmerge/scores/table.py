"""What a table of scores holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Difference", "Measured", "Metric", "Score", "Table"]

Metric: TypeAlias = Callable[[Any], Any]
"""Sums of statistics ``[..., k]`` to scores ``[...]``."""

_LARGE = 10.0  # scores in 0 to 100 rather than losses


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """One system with one seed on one test set.

    Attributes:
        row: Label of the system.
        column: Label of the test set.
        seed: What tells repetitions of a system apart; None if it is not repeated.
        statistics: One row for each row of the test set, in its order: ``[n, k]``, additive.
        metric: From their sums to the score.
    """

    row: str
    column: str
    seed: str | None
    statistics: np.ndarray[Any, Any]
    metric: Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A score against that of the baseline.

    Attributes:
        value: Score minus the baseline's, the mean over pairs of seeds.
        low: 2.5th percentile of the difference over resampled test rows.
        high: 97.5th percentile.
        p: Two-sided p value of the bootstrap, in ``(0, 1]``.
        pairs: How many pairs of seeds it is the mean of.
    """

    value: float
    low: float
    high: float
    p: float
    pairs: int

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 lies outside of the interval."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A system on a test set, or the mean over all test sets.

    Attributes:
        mean: Mean over seeds.
        sd: Sample standard deviation over seeds (n - 1); None with one seed.
        seeds: Score of each seed; the key is empty for a system that is not repeated.
        low: 2.5th percentile of the mean over resampled test rows.
        high: 97.5th percentile.
        size: Number of test rows; of all test sets together for their mean.
        difference: From the baseline; None for the baseline itself, and where it has no score.
    """

    mean: float
    sd: float | None
    seeds: Mapping[str, float]
    low: float
    high: float
    size: int
    difference: Difference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Systems by test sets.

    Attributes:
        metric: Name of the metric.
        greater_is_better: Whether more of it is better.
        rows: Labels of the systems, in the order given.
        columns: Labels of the test sets, in the order given.
        scores: Row and column to score; a missing one is not there.
        averages: Row to the mean over columns; only rows with a score in each column, and only
            where there is more than one column.
        baseline: The row that others are compared with; None without one.
        resamples: Number of bootstrap samples.
        seed: Seed of the bootstrap.
        parallel: Whether the test sets are translations of each other, row by row, so that they
            were resampled together.
    """

    metric: str
    greater_is_better: bool
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    scores: Mapping[tuple[str, str], Score]
    averages: Mapping[str, Score] = field(default_factory=dict)
    baseline: str | None
    resamples: int
    seed: int
    parallel: bool

    @property
    def digits(self) -> int:
        """Digits after the point that scores are shown with: 1, or 3 if all are below 10."""
        largest = max((abs(score.mean) for score in self.scores.values()), default=0.0)
        return 1 if largest >= _LARGE else 3

    def line(self, row: str) -> list[Score | None]:
        """The scores of a row, and the average last if there is more than one column."""
        scores = [self.scores.get((row, column)) for column in self.columns]
        return [*scores, self.averages.get(row)] if len(self.columns) > 1 else scores

    def best(self) -> list[float | None]:
        """The best mean of each column of :meth:`line`, rounded as shown; None without scores."""
        choose = max if self.greater_is_better else min
        lines = [self.line(row) for row in self.rows]
        return [
            choose((round(each.mean, self.digits) for each in column if each), default=None)
            for column in zip(*lines, strict=True)
        ]
