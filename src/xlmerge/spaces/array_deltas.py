"""What spaces share whose deltas are plain arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from xlmerge.spaces.arithmetic import combine, inner_product
from xlmerge.spaces.array_dense import ArrayDense

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xlmerge.spaces.protocol import Array

__all__ = ["ArrayDeltas"]


class ArrayDeltas(ArrayDense, ABC):
    """A space whose points and deltas are arrays of one shape; the dense delta is the delta.

    What is left to write is the chart (``delta``, ``restore``) and the ``transport``.
    """

    name: str
    reaches_target: bool

    @abstractmethod
    def delta(self, x: Array) -> Array:
        """Chart: the point as a vector, zero where the adapter does nothing."""

    @abstractmethod
    def restore(self, d: Array) -> Array:
        """Inverse of the chart."""

    @abstractmethod
    def transport(self, x: Array, source: Array, target: Array, t: float) -> Array:
        """Carry the step from ``source`` to ``target``, taken ``t`` times, over to ``x``."""

    def lincomb(self, weights: Sequence[float], deltas: Sequence[Array]) -> Array:
        """``sum_i weights[i] * deltas[i]``.

        Raises:
            SpaceError: Shapes differ, or weights and deltas do not pair up.
        """
        return combine(weights, deltas)

    def inner(self, d: Array, e: Array) -> float:
        """Euclidean inner product, accumulated in float64.

        Raises:
            SpaceError: The shapes differ.
        """
        return inner_product(d, e)

    def dense(self, d: Array) -> Array:
        """The delta itself."""
        return d

    def undense(self, array: Array) -> Array:
        """The array itself."""
        return array
