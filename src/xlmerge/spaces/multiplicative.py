"""The multiplicative space: a parameter that does nothing where it is one."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, final

from xlmerge.errors import SpaceError
from xlmerge.spaces.arithmetic import require_equal_shapes
from xlmerge.spaces.array_deltas import ArrayDeltas
from xlmerge.spaces.namespace import array_namespace
from xlmerge.spaces.order import median
from xlmerge.spaces.protocol import ignore

if TYPE_CHECKING:
    from xlmerge.spaces.protocol import Array, Observe

__all__ = ["MultiplicativeSpace"]


@final
class MultiplicativeSpace(ArrayDeltas):
    """(IA)³: vectors that multiply activations, so a step is a ratio.

    The plain ratio ``target / source`` (Zhao et al. 2024, arXiv 2402.18913) explodes where the
    source is near zero. Here it is ``(target * source + e) / (source^2 + e)``: exactly 1 where
    target and source are equal, near 1 where both vanish, the plain ratio elsewhere; finite
    everywhere.

    Args:
        ridge: How near to zero a source entry must be, relative to the median magnitude of the
            source, for the ratio to be held back. Above 0.
        observe: Is told, for each transport that has something to carry: ``clipped`` (entries of
            the source nearer to zero than the ridge reaches), ``sign_flipped`` (entries of the
            result with another sign than in ``x``), ``largest_ratio`` (largest magnitude).

    Raises:
        SpaceError: The ridge is not a positive finite number.
    """

    name = "multiplicative"
    reaches_target = True  # up to the ridge

    def __init__(self, ridge: float = 1e-3, *, observe: Observe = ignore) -> None:
        if not 0 < ridge < math.inf:
            raise SpaceError(f"the ridge of a ratio must be finite and above 0, found {ridge}")
        self.ridge = ridge
        self._observe = observe

    def delta(self, x: Array) -> Array:
        """``x - 1``."""
        return x - 1.0

    def restore(self, d: Array) -> Array:
        """``1 + d``."""
        return 1.0 + d

    def transport(self, x: Array, source: Array, target: Array, t: float) -> Array:
        """``x * (1 + t * (ridge_ratio(target, source) - 1))``, in float64.

        Raises:
            SpaceError: The shapes differ.
        """
        require_equal_shapes("a transport", x, source, target)
        if t == 0 or source is target:
            return x
        xp = array_namespace(x, source, target)
        ratio = self.ridge_ratio(target, source)
        wide = xp.astype(x, xp.float64)
        result = wide * (1.0 + t * (ratio - 1.0))
        self._report(wide, source, ratio, result)
        return xp.astype(result, x.dtype)

    def ridge_ratio(self, target: Array, source: Array) -> Array:
        """``(target * source + e) / (source^2 + e)`` in float64, ``e = (ridge * magnitude)^2``.

        The magnitude is the median one of the source; where more than half of the source is zero
        the mean one, and where all of it is, 1, the value of a vector without effect.

        Args:
            target: Any shape.
            source: The same shape.

        Raises:
            SpaceError: The shapes differ.
        """
        require_equal_shapes("a ratio", target, source)
        xp = array_namespace(target, source)
        magnitude = _magnitude(source)
        # Relative to the magnitude no square overflows or vanishes.
        target = xp.astype(target, xp.float64) / magnitude
        source = xp.astype(source, xp.float64) / magnitude
        e = max(self.ridge * self.ridge, sys.float_info.min)
        # Equal operands give equal numerator and denominator: a ratio of exactly 1.
        return (target * source + e) / (source * source + e)

    def _report(self, x: Array, source: Array, ratio: Array, result: Array) -> None:
        xp = array_namespace(x)
        nearness = xp.abs(xp.astype(source, xp.float64)) / _magnitude(source)
        clipped = nearness < self.ridge
        flipped = xp.sign(x) * xp.sign(result) < 0
        self._observe("clipped", float(xp.sum(xp.astype(clipped, xp.float64))))
        self._observe("sign_flipped", float(xp.sum(xp.astype(flipped, xp.float64))))
        self._observe("largest_ratio", float(xp.max(xp.abs(ratio))))


def _magnitude(source: Array) -> float:
    """What the ridge is relative to, above 0."""
    xp = array_namespace(source)
    magnitudes = xp.abs(xp.astype(source, xp.float64))
    return median(magnitudes) or float(xp.mean(magnitudes)) or 1.0
