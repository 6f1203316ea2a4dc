"""A merge method in a module that imports NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from xlmerge.plugin import Point, merge_method


@merge_method(summary="Wrong.", source="made up", symmetric=True)
def imports_numpy(space: Any, *, adapters: Sequence[Point]) -> Point:
    shares = np.full(len(adapters), 1 / len(adapters)).tolist()
    return space.restore(space.lincomb(shares, [space.delta(x) for x in adapters]))
