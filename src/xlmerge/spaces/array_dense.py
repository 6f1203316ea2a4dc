"""What spaces share whose dense delta is one array, whatever their points are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from xlmerge.spaces.order import kth_largest_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from xlmerge.spaces.protocol import Array

__all__ = ["ArrayDense"]


class ArrayDense:
    """The operations on dense deltas, for a space whose ``dense`` gives one array."""

    def elementwise(self, function: Callable[..., Array], *dense: Array) -> Array:
        """``function(*dense)``."""
        return function(*dense)

    def kth_magnitude(self, dense: Array, kept: int) -> float:
        """The ``kept``-th largest absolute value, counted from 1.

        Raises:
            SpaceError: There is no such entry, or an entry is not a number.
        """
        return kth_largest_of(dense, kept)

    def size(self, dense: Array) -> int:
        """Number of entries."""
        return math.prod(dense.shape)
