"""Parameter spaces: what the numbers of an adapter mean, and how to calculate with them.

A space has a linear chart (point to delta and back) and one transport; merge methods are written
in these words only, so one method works on every kind of adapter. The arrays may be of any library
that follows the Python array API standard; importing this package imports none of them.
"""

from __future__ import annotations

from xlmerge.spaces.additive import AdditiveSpace
from xlmerge.spaces.array_deltas import ArrayDeltas
from xlmerge.spaces.compression import Compression
from xlmerge.spaces.direct_sum import DirectSum, LazyMapping
from xlmerge.spaces.factorwise import FactorwiseSpace
from xlmerge.spaces.low_rank import LowRank, LowRankSpace
from xlmerge.spaces.multiplicative import MultiplicativeSpace
from xlmerge.spaces.namespace import Namespace, array_namespace
from xlmerge.spaces.order import kth_largest_magnitude, kth_largest_of, median
from xlmerge.spaces.prefix import PrefixSpace
from xlmerge.spaces.protocol import Array, Observe, Point, Space, ignore
from xlmerge.spaces.recompress import compress_dense, recompress

__all__ = [
    "AdditiveSpace",
    "Array",
    "ArrayDeltas",
    "Compression",
    "DirectSum",
    "FactorwiseSpace",
    "LazyMapping",
    "LowRank",
    "LowRankSpace",
    "MultiplicativeSpace",
    "Namespace",
    "Observe",
    "Point",
    "PrefixSpace",
    "Space",
    "array_namespace",
    "compress_dense",
    "ignore",
    "kth_largest_magnitude",
    "kth_largest_of",
    "median",
    "recompress",
]
