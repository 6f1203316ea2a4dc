"""The additive space: a parameter that does nothing where it is zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from xlmerge.spaces.arithmetic import step
from xlmerge.spaces.array_deltas import ArrayDeltas

if TYPE_CHECKING:
    from xlmerge.spaces.protocol import Array

__all__ = ["AdditiveSpace"]


@final
class AdditiveSpace(ArrayDeltas):
    """Bottleneck layers, coupling layers, heads, prompts: points and deltas are the same arrays."""

    name = "additive"
    reaches_target = True

    def delta(self, x: Array) -> Array:
        """The point itself."""
        return x

    def restore(self, d: Array) -> Array:
        """The delta itself."""
        return d

    def transport(self, x: Array, source: Array, target: Array, t: float) -> Array:
        """``x + t * (target - source)``; bit for bit ``x`` where nothing is to be carried.

        Raises:
            SpaceError: The shapes differ.
        """
        return step(x, source, target, t)
