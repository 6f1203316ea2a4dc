"""How much of a matrix a compression keeps."""

from __future__ import annotations

import math
from dataclasses import dataclass

from xlmerge.errors import SpaceError

__all__ = ["Compression"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression:
    """How many singular values are kept; exactly one of the three is given.

    Attributes:
        rank: This many, at least 1.
        tolerance: As few as keep the relative Frobenius error at or below this; 0 <= it < 1.
        energy: As few as keep this share of the squared Frobenius norm; 0 < it <= 1.

    Raises:
        SpaceError: None or several are given, or one is out of its range.
    """

    rank: int | None = None
    tolerance: float | None = None
    energy: float | None = None

    def __post_init__(self) -> None:
        given = [
            name for name in ("rank", "tolerance", "energy") if getattr(self, name) is not None
        ]
        if len(given) != 1:
            raise SpaceError(
                "a compression needs exactly one of rank, tolerance and energy, "
                f"found {' and '.join(given) or 'none'}"
            )
        if self.rank is not None and self.rank < 1:
            raise SpaceError(f"the rank of a compression must be at least 1, found {self.rank}")
        if self.tolerance is not None and not 0 <= self.tolerance < 1:
            raise SpaceError(
                "the tolerance of a compression must be at least 0 and below 1, "
                f"found {self.tolerance}"
            )
        if self.energy is not None and not 0 < self.energy <= 1:
            raise SpaceError(
                f"the energy of a compression must be above 0 and at most 1, found {self.energy}"
            )

    def kept(self, values: list[float], floor: float) -> tuple[int, float]:
        """How many singular values to keep, and which share of the norm the others held.

        The relative Frobenius error of the best approximation of rank k is
        ``sqrt(sum_{i>k} s_i^2 / sum_i s_i^2)`` (Eckart and Young 1936).

        Args:
            values: All singular values, downwards.
            floor: Values up to this are rounding errors of the factorisation, never kept.

        Returns:
            The number kept, at least 1, and the relative Frobenius error.
        """
        meaningful = sum(value > floor for value in values)
        if not meaningful:
            return 1, 0.0
        squares = [(value / values[0]) ** 2 for value in values]  # no overflow, no underflow
        tails = [0.0]  # tails[k]: the squares of all but the first k values
        for square in reversed(squares):
            tails.append(tails[-1] + square)
        tails.reverse()
        count = meaningful
        if self.rank is not None:
            count = min(self.rank, meaningful)
        else:
            bound = self._largest_squared_error() * tails[0]
            count = min(sum(tail > bound for tail in tails), meaningful)
        count = max(count, 1)
        return count, math.sqrt(tails[count] / tails[0])

    def _largest_squared_error(self) -> float:
        return 1 - self.energy if self.energy is not None else (self.tolerance or 0.0) ** 2
