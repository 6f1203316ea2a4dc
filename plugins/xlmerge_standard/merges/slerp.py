"""Spherical interpolation of two adapters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

from xlmerge.errors import MergeError
from xlmerge.plugin import Between, Count, Point, merge_method
from xlmerge.spaces import Space

_STRAIGHT = 1e-6  # below this angle the arc is the chord, to the last digit of a float32
_OPPOSITE = 1e-4  # nearer than this, coefficients above 1e4 blow up what float32 has rounded off


@merge_method(
    summary="From the first adapter (t = 0) to the second (t = 1) along the arc between them.",
    source="Shoemake 1985, doi 10.1145/325165.325242",
    scopes=("parameter", "layer", "adapter"),
)
def slerp(
    space: Space[Point, Any],
    *,
    adapters: Annotated[Sequence[Point], Count(2, 2)],
    t: Annotated[float, Between(0, 1), "place on the arc"] = 0.5,
) -> Point:
    """``sin((1 - t) w) / sin(w) a + sin(t w) / sin(w) b`` with the angle w between deltas a and b.

    The formula is for unit vectors; deltas are not, and their lengths are not touched, as in
    mergekit. The straight line takes its place where the deltas point the same way, where one of
    them is zero, and nowhere else (mergekit takes it from 1.8 degrees downwards, and for opposite
    directions too). ``scope: adapter`` measures one angle over the whole adapter.

    Raises:
        MergeError: The deltas point in opposite directions, so that no arc is the shortest.
    """
    a, b = (space.delta(x) for x in adapters)
    angle = _angle(space.inner(a, b), space.inner(a, a), space.inner(b, b))
    if t in {0, 1} or angle < _STRAIGHT:
        return space.restore(space.lincomb([1 - t, t], [a, b]))
    if math.pi - angle < _OPPOSITE:
        raise MergeError(
            "slerp: the two adapters point in opposite directions, and no arc between them is the "
            "shortest",
            hint="use `linear`, whose path leads through zero; or `scope: adapter`, if only some "
            "parameters are opposite",
        )
    first, second = (math.sin(share * angle) / math.sin(angle) for share in (1 - t, t))
    return space.restore(space.lincomb([first, second], [a, b]))


def _angle(product: float, square: float, other_square: float) -> float:
    """The angle between two vectors; 0 if one of them is zero."""
    lengths = math.sqrt(square) * math.sqrt(other_square)
    # Rounding can leave a cosine just outside [-1, 1].
    return math.acos(max(-1.0, min(1.0, product / lengths))) if lengths > 0 else 0.0
