"""The two factors of a low-rank matrix, merged one by one as if each were a parameter."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, final

from xlmerge.errors import SpaceError
from xlmerge.spaces.arithmetic import combine, inner_product, require_weights, step
from xlmerge.spaces.array_dense import ArrayDense
from xlmerge.spaces.low_rank import LowRank
from xlmerge.spaces.namespace import array_namespace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xlmerge.spaces.protocol import Array

__all__ = ["FactorwiseSpace"]


@final
class FactorwiseSpace(ArrayDense):
    """LoRA as the published code of AdaMergeX and most libraries merge it: B and A separately.

    The vector is the pair ``(left, right)``, so a sum is not the sum of the matrices
    ``scale * left @ right``: ``(B + t dB)(A + t dA)`` has cross terms and a term in ``t^2``, and
    depends on which of the many equal factorisations each adapter happens to hold. The two agree
    where all operands share one frozen factor. It reproduces published results
    (Zhao et al. 2024, arXiv 2402.18913, their released code); to add what the adapters do, use
    :class:`~xlmerge.spaces.LowRankSpace`. By its nature it departs from one law of a space: a
    parameter that does nothing (``left`` zero, ``right`` not) is not the zero vector.

    Args:
        left_shape: ``(out, r)`` of every operand.
        right_shape: ``(r, in)`` of every operand.
        scale: The scale of every operand.
    """

    name = "factorwise"
    reaches_target = True

    def __init__(
        self, left_shape: tuple[int, int], right_shape: tuple[int, int], scale: float
    ) -> None:
        self.left_shape = left_shape
        self.right_shape = right_shape
        self.scale = scale

    @classmethod
    def of(cls, point: LowRank) -> FactorwiseSpace:
        """The space that a point lives in."""
        height, width = point.shape
        return cls((height, point.rank), (point.rank, width), point.scale)

    def delta(self, x: LowRank) -> LowRank:
        """The point itself, as a pair."""
        self._require_members("the chart", x)
        return x

    def restore(self, d: LowRank) -> LowRank:
        """The pair itself, as a point."""
        self._require_members("the chart", d)
        return d

    def lincomb(self, weights: Sequence[float], deltas: Sequence[LowRank]) -> LowRank:
        """``sum_i weights[i] * deltas[i]`` of the left and of the right factors.

        Raises:
            SpaceError: Ranks, shapes or scales differ, or weights and deltas do not pair up.
        """
        require_weights(weights, deltas)
        self._require_members("a linear combination", *deltas)
        left = combine(weights, [delta.left for delta in deltas])
        right = combine(weights, [delta.right for delta in deltas])
        return LowRank(left, right, self.scale)

    def inner(self, d: LowRank, e: LowRank) -> float:
        """Inner product of the pairs: of the left factors plus of the right factors.

        Raises:
            SpaceError: Ranks, shapes or scales differ.
        """
        self._require_members("an inner product", d, e)
        return inner_product(d.left, e.left) + inner_product(d.right, e.right)

    def dense(self, d: LowRank) -> Array:
        """Both factors in one array ``[out * r + r * in]``, the left one first, row by row."""
        self._require_members("the dense form", d)
        xp = array_namespace(d.left, d.right)
        return xp.concat([xp.reshape(d.left, (-1,)), xp.reshape(d.right, (-1,))])

    def undense(self, array: Array) -> LowRank:
        """The inverse of ``dense``.

        Raises:
            SpaceError: The array has not the size of both factors.
        """
        first, second = math.prod(self.left_shape), math.prod(self.right_shape)
        if tuple(array.shape) != (first + second,):
            raise SpaceError(
                f"the factors {self.left_shape} and {self.right_shape} need one array of "
                f"{first + second} entries, found shape {tuple(array.shape)}"
            )
        xp = array_namespace(array)
        left = xp.reshape(array[:first], self.left_shape)
        return LowRank(left, xp.reshape(array[first:], self.right_shape), self.scale)

    def transport(self, x: LowRank, source: LowRank, target: LowRank, t: float) -> LowRank:
        """``x + t * (target - source)`` for the left and for the right factors.

        Raises:
            SpaceError: Ranks, shapes or scales differ.
        """
        self._require_members("a transport", x, source, target)
        if t == 0 or source is target:
            return x
        left = step(x.left, source.left, target.left, t)
        return LowRank(left, step(x.right, source.right, target.right, t), self.scale)

    def _require_members(self, operation: str, *points: LowRank) -> None:
        expected = (self.left_shape, self.right_shape, self.scale)
        for point in points:
            found = (tuple(point.left.shape), tuple(point.right.shape), point.scale)
            if found != expected:
                raise SpaceError(
                    f"{operation} of factors one by one needs operands of equal rank and scale, "
                    "since an entry of a factor means something only beside the same other "
                    f"entries: expected left {expected[0]}, right {expected[1]}, scale "
                    f"{expected[2]}, found left {found[0]}, right {found[1]}, scale {found[2]}",
                    hint="without `elements: factors` ranks and scales of the matrices may differ",
                )
