"""The low-rank space: a matrix kept as two thin factors, as LoRA stores it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

from xlmerge.errors import SpaceError
from xlmerge.spaces.arithmetic import inner_product, require_weights
from xlmerge.spaces.array_dense import ArrayDense
from xlmerge.spaces.namespace import array_namespace
from xlmerge.spaces.protocol import ignore
from xlmerge.spaces.recompress import compress_dense, recompress

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xlmerge.spaces.compression import Compression
    from xlmerge.spaces.protocol import Array, Observe

__all__ = ["LowRank", "LowRankSpace"]


@dataclass(frozen=True, slots=True, eq=False)
class LowRank:
    """The matrix ``scale * left @ right``.

    Attributes:
        left: ``[out, r]``, LoRA's B.
        right: ``[r, in]``, LoRA's A.
        scale: Finite; for LoRA ``alpha / r``, or what the library makes of alpha.
        compressed: The compression that this value has been through, which is not applied twice.

    Raises:
        SpaceError: The shapes do not fit together, the rank is 0, or the scale is not finite.
    """

    left: Array
    right: Array
    scale: float
    compressed: Compression | None = None

    def __post_init__(self) -> None:
        left, right = tuple(self.left.shape), tuple(self.right.shape)
        if len(left) != 2 or len(right) != 2 or left[1] != right[0] or not left[1]:
            raise SpaceError(
                "low-rank factors must have shapes [out, r] and [r, in] with r at least 1, "
                f"found {left} and {right}"
            )
        if not math.isfinite(self.scale):
            raise SpaceError(f"the scale of low-rank factors must be finite, found {self.scale}")

    @property
    def rank(self) -> int:
        """The number of columns of the left factor, ``r``."""
        return int(self.left.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of the matrix, ``(out, in)``."""
        return int(self.left.shape[0]), int(self.right.shape[1])

    def with_scale(self, scale: float) -> LowRank:
        """The same matrix with another scale, the difference folded into the left factor.

        Args:
            scale: Not 0, unless it is the scale already.
        """
        if scale == self.scale:
            return self
        return replace(self, left=(self.scale / scale) * self.left, scale=scale)


@final
class LowRankSpace(ArrayDense):
    """LoRA: the vector is the matrix ``scale * B @ A``, never the factors by themselves.

    Sums are exact: factors are put side by side (Zhao et al. 2024, arXiv 2402.18913, merge the
    factors one by one instead; see :class:`~xlmerge.spaces.FactorwiseSpace`).

    Args:
        compression: What ``restore`` and ``undense`` bring the rank down with; none: the rank of
            a sum stays the sum of the ranks, and ``undense`` is refused.
        scale: The scale that results have; none: the operands' common scale, else 1.
            Finite and not 0.
        observe: Is told ``discarded`` (relative Frobenius error) and ``rank`` of a compression.

    Raises:
        SpaceError: The scale is 0 or not finite.
    """

    name = "low_rank"
    reaches_target = True

    def __init__(
        self,
        compression: Compression | None = None,
        *,
        scale: float | None = None,
        observe: Observe = ignore,
    ) -> None:
        if scale is not None and (scale == 0 or not math.isfinite(scale)):
            raise SpaceError(f"the scale of results must be finite and not 0, found {scale}")
        self.compression = compression
        self.scale = scale
        self._observe = observe

    @property
    def needs_compression(self) -> bool:
        """Whether ``undense`` would be refused, which a plan can tell before any number is read."""
        return self.compression is None

    def delta(self, x: LowRank) -> LowRank:
        """The point itself."""
        return x

    def restore(self, d: LowRank) -> LowRank:
        """The delta with the scale and the compression asked for; itself if there is none.

        Where the rank asked for is not exceeded, the factors stay as they are.

        Raises:
            SpaceError: A value is not finite and a compression was asked for.
        """
        d = d if self.scale is None else d.with_scale(self.scale)
        if self.compression is None or d.compressed == self.compression:
            return d
        if self.compression.rank is not None and d.rank <= self.compression.rank:
            return self._observed(d, 0.0)
        left, right, discarded = recompress(d.left, d.right, self.compression)
        return self._observed(LowRank(left, right, d.scale, self.compression), discarded)

    def lincomb(self, weights: Sequence[float], deltas: Sequence[LowRank]) -> LowRank:
        """``sum_i weights[i] * deltas[i]`` by putting the factors side by side.

        The rank is the sum of the ranks, without terms of weight 0, and with a delta that is
        given several times counted once; all weights 0 give one rank of zeros.

        Raises:
            SpaceError: Shapes differ, or weights and deltas do not pair up.
        """
        require_weights(weights, deltas)
        _require_equal_matrices("a linear combination", deltas)
        scale = self._scale_of(deltas)
        terms = [
            (weight if delta.scale == scale else weight * delta.scale / scale, delta)
            for weight, delta in _collected(weights, deltas)
        ]
        if not terms:
            return _zero(deltas[0], scale)
        left = [delta.left if weight == 1 else weight * delta.left for weight, delta in terms]
        right = [delta.right for _, delta in terms]
        if len(terms) == 1:  # a multiple of a compressed matrix is as compressed as the matrix
            return replace(terms[0][1], left=left[0], scale=scale)
        xp = array_namespace(*left, *right)
        return LowRank(xp.concat(left, axis=1), xp.concat(right, axis=0), scale)

    def inner(self, d: LowRank, e: LowRank) -> float:
        """``<B A, B' A'> = sum((B^T B') * (A A'^T))``: two small matrices, in float64.

        Raises:
            SpaceError: The shapes differ.
        """
        _require_equal_matrices("an inner product", (d, e))
        xp = array_namespace(d.left, e.left)
        left = xp.astype(d.left, xp.float64).T @ xp.astype(e.left, xp.float64)
        right = xp.astype(d.right, xp.float64) @ xp.astype(e.right, xp.float64).T
        product = d.scale * e.scale * inner_product(left, right)
        return max(product, 0.0) if d is e else product  # a norm has a square root

    def dense(self, d: LowRank) -> Array:
        """``scale * left @ right``, ``[out, in]``."""
        left = d.left if d.scale == 1 else d.scale * d.left
        return left @ d.right

    def undense(self, array: Array) -> LowRank:
        """The best low-rank approximation of a matrix ``[out, in]``.

        Raises:
            SpaceError: No compression was asked for, or the array is no finite matrix.
        """
        if self.compression is None:
            raise SpaceError(
                f"a full matrix {tuple(array.shape)} is not a low-rank parameter",
                hint="say how much of it to keep: give rank, tolerance or energy",
            )
        left, right, discarded = compress_dense(array, self.compression)
        result = LowRank(left, right, 1.0, self.compression)
        if self.scale is not None:
            result = result.with_scale(self.scale)
        return self._observed(result, discarded)

    def transport(self, x: LowRank, source: LowRank, target: LowRank, t: float) -> LowRank:
        """``x + t * (target - source)`` as matrices.

        With ``t`` 0, or one object as source and target, the very point ``x``, unless its scale
        or rank is not the one asked for.

        Raises:
            SpaceError: The shapes differ.
        """
        _require_equal_matrices("a transport", (x, source, target))
        if t == 0 or source is target:
            return self.restore(x)
        return self.restore(self.lincomb([1.0, t, -t], [x, target, source]))

    def _scale_of(self, deltas: Sequence[LowRank]) -> float:
        if self.scale is not None:
            return self.scale
        scales = {delta.scale for delta in deltas}
        return scales.pop() if len(scales) == 1 else 1.0

    def _observed(self, result: LowRank, discarded: float) -> LowRank:
        self._observe("discarded", discarded)
        self._observe("rank", float(result.rank))
        return result


def _require_equal_matrices(operation: str, deltas: Iterable[LowRank]) -> None:
    shapes = [delta.shape for delta in deltas]
    if any(shape != shapes[0] for shape in shapes):
        found = ", ".join(str(shape) for shape in shapes)
        raise SpaceError(f"{operation} needs matrices of equal shape [out, in], found {found}")


def _collected(weights: Sequence[float], deltas: Sequence[LowRank]) -> list[tuple[float, LowRank]]:
    """Weights of the same object added, terms of weight 0 left out, in the order given."""
    sums: dict[int, float] = {}
    objects: dict[int, LowRank] = {}
    for weight, delta in zip(weights, deltas, strict=True):
        sums[id(delta)] = sums.get(id(delta), 0.0) + weight
        objects[id(delta)] = delta
    return [(weight, objects[key]) for key, weight in sums.items() if weight != 0]


def _zero(like: LowRank, scale: float) -> LowRank:
    xp = array_namespace(like.left, like.right)
    return LowRank(xp.zeros_like(like.left[:, :1]), xp.zeros_like(like.right[:1, :]), scale)
