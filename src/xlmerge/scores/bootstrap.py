"""The bootstrap over test rows: how far a score would move with other rows of the same kind.

Rows are drawn with replacement, as many as there are. All systems see the same draws, so their
differences are paired. Source: Efron and Tibshirani 1993, chapters 13 and 16; for comparing
systems, Berg-Kirkpatrick, Burkett and Klein 2012.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

__all__ = ["interval", "p_value", "resampled_totals"]

_ENTRIES = 2_000_000  # of a matrix of counts, 16 MB
_TAILS = (2.5, 97.5)


def resampled_totals(
    statistics: Sequence[np.ndarray[Any, Any]], *, resamples: int, key: Sequence[int]
) -> list[np.ndarray[Any, Any]]:
    """Sums of statistics over resampled rows, the same rows for all.

    Args:
        statistics: Each ``[n, k]``, of the same ``n``.
        resamples: How many samples to draw.
        key: What the draws depend on, besides ``n``; numbers that are not negative.

    Returns:
        For each, ``[resamples, k]``.
    """
    import numpy as np

    totals: list[list[np.ndarray[Any, Any]]] = [[] for _ in statistics]
    for counts in _counts(len(statistics[0]), resamples, key):
        for each, summed in zip(statistics, totals, strict=True):
            summed.append(counts @ each)
    return [np.concatenate(summed) for summed in totals]


def interval(values: np.ndarray[Any, Any]) -> tuple[float, float]:
    """The 2.5th and the 97.5th percentile."""
    import numpy as np

    low, high = np.percentile(values, _TAILS)
    return float(low), float(high)


def p_value(differences: np.ndarray[Any, Any]) -> float:
    """Two-sided p value for the hypothesis of no difference.

    Twice the share of samples on the rarer side of 0, those at 0 counted on both sides. 1 is added
    to count and number of samples, so that it is never 0 (Davison and Hinkley 1997, section 4.2).

    Args:
        differences: ``[resamples]``.
    """
    rarer = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return min(1.0, 2 * (rarer + 1) / (len(differences) + 1))


def _counts(size: int, resamples: int, key: Sequence[int]) -> Iterator[np.ndarray[Any, Any]]:
    """How often each row is drawn: ``[samples, size]``, some samples at a time."""
    import numpy as np

    stream = np.random.default_rng(list(key))
    done = 0
    while done < resamples:
        count = min(resamples - done, max(1, _ENTRIES // size))
        drawn = stream.integers(0, size, size=(count, size))
        drawn += np.arange(count)[:, None] * size
        flat = np.bincount(drawn.ravel(), minlength=count * size)
        yield flat.reshape(count, size).astype(np.float64)
        done += count
