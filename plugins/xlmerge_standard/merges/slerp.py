"""Spherical interpolation of two adapters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

from xlmerge.errors import MergeError
from xlmerge.plugin import Between, Count, Point, merge_method

_STRAIGHT = 1e-6  # below this angle, sines are their arguments to float32 accuracy, and the arc is the chord


@merge_method(
    summary="From the first adapter (t = 0) to the second (t = 1) along the arc between them.",
    source="Shoemake 1985, doi 10.1145/325165.325242, section 3.3",
    scopes=("parameter", "layer", "adapter"),
)
def slerp(
    space: Any,
    *,
    adapters: Annotated[Sequence[Point], Count(2, 2)],
    t: Annotated[float, Between(0, 1), "place on the arc"] = 0.5,
) -> Point:
    """``sin((1 - t) w) / sin(w) a + sin(t w) / sin(w) b`` with the angle w between the deltas a and b.

    Of deltas that point the same way, or of which one is zero, the straight line.

    Raises:
        MergeError: The deltas point in opposite directions, so that no arc is the shortest.
    """
    a, b = (space.delta(x) for x in adapters)
    product, lengths = space.inner(a, b), math.sqrt(space.inner(a, a)) * math.sqrt(space.inner(b, b))
    angle = math.acos(max(-1.0, min(1.0, product / lengths))) if lengths > 0 else 0.0
    if math.pi - angle < _STRAIGHT and 0 < t < 1:
        raise MergeError(
            "slerp: the two adapters point in exactly opposite directions, and no arc between them is the shortest",
            hint="use `linear`, whose path leads through zero",
        )
    if angle < _STRAIGHT or t in (0, 1):
        coefficients = [1 - t, t]
    else:
        coefficients = [math.sin((1 - t) * angle) / math.sin(angle), math.sin(t * angle) / math.sin(angle)]
    return space.restore(space.lincomb(coefficients, [a, b]))
