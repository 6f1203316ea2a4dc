"""Order statistics that the array API standard lacks or leaves open."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xlmerge.errors import SpaceError
from xlmerge.spaces.namespace import array_namespace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from xlmerge.spaces.protocol import Array

__all__ = ["kth_largest_magnitude", "kth_largest_of", "median"]

_ROOM = 1 << 20
"""Candidates held at once by default: 8 MiB."""

_ROOM_OF_ONE = 1 << 16
"""The same for an array in memory, where another pass is cheaper than a longer sort."""

_BLOCK = 1 << 18
"""Entries that are brought to float64 at a time."""

_THINNING = 13
"""Every how manieth candidate stays when they outgrow the room.

A prime that divides no usual width of a model: a stride that shares a factor with the width would
see some columns only, and columns differ.
"""


def median(array: Array) -> float:
    """The mean of the two middle values in sorted order (of one, where the size is odd).

    NumPy's median is this mean, torch's is the lower of the two, the standard has none.

    Args:
        array: Any shape, at least one entry, no NaN.

    Raises:
        SpaceError: The array is empty.
    """
    xp = array_namespace(array)
    values = xp.sort(xp.reshape(xp.astype(array, xp.float64), (-1,)))
    size = values.shape[0]
    if size == 0:
        raise SpaceError("the median of an array without entries does not exist")
    return (float(values[(size - 1) // 2]) + float(values[size // 2])) / 2


def kth_largest_of(array: Array, kept: int) -> float:
    """The ``kept``-th largest absolute value of one array in memory, counted from 1.

    Raises:
        SpaceError: There is no such entry, or an entry is not a number.
    """
    return kth_largest_magnitude(lambda: (array,), kept, room=_ROOM_OF_ONE)


def kth_largest_magnitude(
    parts: Callable[[], Iterable[Array]], kept: int, *, room: int = _ROOM
) -> float:
    """The ``kept``-th largest absolute value over many arrays, exactly, in bounded memory.

    Streams the arrays a few times, as in Floyd and Rivest, "Expected time bounds for selection"
    (1975): a sample gives two values that very probably enclose the one sought; the next pass
    counts what is above them and collects what is between, until that fits into the room and is
    sorted. What fits at once takes one pass; more takes two or three, whatever the values are.
    The sample is taken at regular distances, so the same arrays always take the same way.

    Args:
        parts: Gives the arrays, of any shapes, anew each time it is called; always the same ones.
        kept: Which value: 1 for the largest, up to the number of all entries.
        room: How many candidates may be in memory at once.

    Raises:
        SpaceError: There is no such entry, or an entry is not a number.
    """
    certain = guess = (0.0, math.inf)  # both ends belong to the interval
    while True:
        found = _scan(parts(), *guess, room=room)
        if guess == (0.0, math.inf):
            _require_rank(kept, found)
        low, high = guess
        if kept <= found.above:
            certain = guess = (math.nextafter(high, math.inf), certain[1])
        elif kept > found.above + found.inside:
            certain = guess = (certain[0], math.nextafter(low, -math.inf))
        elif low == high:
            return low
        else:
            certain = guess
            rank = kept - found.above
            values = found.sample.sorted_values()
            if found.sample.stride == 1:
                return float(values[values.shape[0] - rank])
            guess = _bracket(values, rank / found.inside, certain)


def _require_rank(kept: int, found: _Found) -> None:
    if found.inside < found.seen:
        count = found.seen - found.inside
        raise SpaceError(f"magnitudes cannot be ordered: {count} entries are not a number (NaN)")
    if not 1 <= kept <= found.seen:
        raise SpaceError(
            f"the number of entries to keep must be from 1 to {found.seen}, found {kept}"
        )


def _bracket(values: Array, share: float, certain: tuple[float, float]) -> tuple[float, float]:
    """Two sampled values around the one sought, closer than ``certain``.

    Args:
        values: The sample, sorted upwards.
        share: Which share of the candidates is as large as the value sought.
        certain: The interval that the sample was taken from.
    """
    size = values.shape[0]
    expected = size - size * share
    margin = 4 * math.sqrt(size * share * (1 - share)) + 4  # four standard deviations
    first, last = math.floor(expected - margin), math.ceil(expected + margin)
    low = float(values[first]) if first >= 0 else certain[0]
    high = float(values[last]) if last < size else certain[1]
    if (low, high) == certain:  # many equal values: ask for one of them alone
        low = high = float(values[min(int(expected), size - 1)])
    return low, high


@dataclass(slots=True)
class _Sample:
    """Every ``stride``-th of a stream of values, ``stride`` growing when the room is full."""

    room: int
    stride: int = 1
    passed: int = 0
    held: int = 0
    blocks: list[Array] = field(default_factory=list)

    def add(self, values: Array) -> None:
        xp = array_namespace(values)
        first = min((-self.passed) % self.stride, values.shape[0])
        chosen = values[first :: self.stride]
        self.passed += values.shape[0]
        self.held += chosen.shape[0]
        # Copies: a view would keep all that it was taken from in memory.
        self.blocks.append(chosen if self.stride == 1 else xp.asarray(chosen, copy=True))
        while self.held > self.room:
            self.blocks = [xp.asarray(xp.concat(self.blocks)[::_THINNING], copy=True)]
            self.held = self.blocks[0].shape[0]
            self.stride *= _THINNING

    def sorted_values(self) -> Array:
        xp = array_namespace(*self.blocks)
        return xp.sort(xp.concat(self.blocks))


@dataclass(slots=True)
class _Found:
    """What one pass found: entries seen, entries above the interval, and entries inside it."""

    sample: _Sample
    seen: int = 0
    above: int = 0

    @property
    def inside(self) -> int:
        return self.sample.passed


def _scan(parts: Iterable[Array], low: float, high: float, *, room: int) -> _Found:
    found = _Found(_Sample(room))
    for part in parts:
        xp = array_namespace(part)
        for values in _magnitudes(part):
            found.seen += values.shape[0]
            found.above += int(xp.sum(xp.astype(values > high, xp.int64)))
            found.sample.add(values[(values >= low) & (values <= high)])
    return found


def _magnitudes(part: Array) -> Iterator[Array]:
    xp = array_namespace(part)
    flat = xp.reshape(part, (-1,))
    for start in range(0, flat.shape[0], _BLOCK):
        stop = min(start + _BLOCK, flat.shape[0])  # the standard has no slices past the end
        yield xp.abs(xp.astype(flat[start:stop], xp.float64))
