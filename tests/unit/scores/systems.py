"""Systems whose every answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np

from xlmerge.scores import Measured


def accuracy(totals: Any) -> Any:
    """Percent correct, from sums of ``[correct, 1]``."""
    return 100 * totals[..., 0] / totals[..., 1]


def measured(
    row: str, correct: Any, *, column: str = "mad", seed: str | None = None, metric: Any = accuracy
) -> Measured:
    """A system that has these rows right."""
    right = np.asarray(correct, dtype=np.float64)
    statistics = np.stack([right, np.ones_like(right)], axis=1)
    return Measured(row=row, column=column, seed=seed, statistics=statistics, metric=metric)


def answers(share: float, *, size: int = 400, seed: int = 0) -> Any:
    """Which rows a system has right that is right with this probability."""
    return np.random.default_rng(seed).random(size) < share
