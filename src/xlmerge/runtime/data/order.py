"""Random orders that can be entered anywhere: draws are keyed by names and numbers, not by time."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

from xlmerge.errors import DataError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

__all__ = ["Mixture", "keyed", "sampling_weights"]

_BLOCK = 1 << 15  # positions whose data sets are drawn together


def keyed(*key: str | int) -> np.random.Generator:
    """A stream of random numbers that depends on its key alone.

    Args:
        key: Seed, what the stream is for, and what tells it from others, as a position.
    """
    import numpy as np

    digest = hashlib.sha256("\0".join(map(str, key)).encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))


def sampling_weights(sizes: Sequence[int], temperature: float = 1.0) -> list[float]:
    """How often data sets are drawn from: ``size ** (1 / temperature)``, as shares of 1.

    1 draws in proportion to size; the higher, the more even. Source: Devlin, multilingual BERT
    (2018), with the exponent ``1 / temperature``.

    Args:
        sizes: Numbers of rows, each at least 1.
        temperature: Above 0.

    Raises:
        DataError: A data set is empty.
        ParameterError: The temperature is out of range.
    """
    if not (math.isfinite(temperature) and temperature > 0):
        raise ParameterError(f"temperature: expected a number above 0, found {temperature}")
    if not sizes or min(sizes) < 1:
        raise DataError(f"sizes of data sets: expected at least 1 row each, found {list(sizes)}")
    logs = [math.log(size) / temperature for size in sizes]
    powers = [math.exp(each - max(logs)) for each in logs]  # the largest is 1: none overflows
    return [power / sum(powers) for power in powers]


class Mixture:
    """An endless order of the rows of several data sets.

    Each position draws a data set; the n-th position of a data set is the n-th row of its own
    order, in which every row comes once before one comes again.

    Args:
        sizes: Numbers of rows.
        weights: How often each is drawn from, relative to the others; None for its size.
        seed: Seed of the order.

    Raises:
        DataError: A data set is empty, or a weight is not positive.
    """

    def __init__(
        self, sizes: Sequence[int], weights: Sequence[float] | None = None, *, seed: int
    ) -> None:
        shares = sampling_weights(sizes)
        if weights is not None:
            if len(weights) != len(sizes):
                raise DataError(f"{len(weights)} sampling weights for {len(sizes)} data sets")
            if not all(math.isfinite(weight) and weight > 0 for weight in weights):
                raise DataError(
                    f"sampling weights: expected numbers above 0, found {list(weights)}",
                    hint="leave out a data set that is not to be drawn from",
                )
            shares = [weight / sum(weights) for weight in weights]
        self._sizes = list(sizes)
        self._shares = shares
        self._seed = seed
        self._before: list[list[int]] = [[0] * len(sizes)]  # draws before each block
        self._draws: tuple[int, list[int], list[int]] = (-1, [], [])
        self._orders: dict[tuple[int, int], tuple[int, Any]] = {}  # two epochs of each

    @property
    def positions_a_pass(self) -> float:
        """Positions in which, on average, the first of the data sets gives all of its rows."""
        return min(size / share for size, share in zip(self._sizes, self._shares, strict=True))

    def place(self, position: int) -> tuple[int, int]:
        """Data set and row at a position, from 0."""
        if len(self._sizes) == 1:
            return 0, self._row(0, position)
        block, offset = divmod(position, _BLOCK)
        source, rank = self._drawn(block, offset)
        return source, self._row(source, self._earlier(block)[source] + rank)

    def _row(self, source: int, draw: int) -> int:
        """The row that a data set gives when it is drawn for the n-th time."""
        epoch, offset = divmod(draw, self._sizes[source])
        kept = self._orders.get((source, epoch % 2))
        if kept is None or kept[0] != epoch:
            stream = keyed(self._seed, "rows", source, epoch)
            kept = (epoch, stream.permutation(self._sizes[source]))
            self._orders[source, epoch % 2] = kept
        return int(kept[1][offset])

    def _drawn(self, block: int, offset: int) -> tuple[int, int]:
        """The data set at an offset of a block, and how often the block drew it before."""
        if self._draws[0] != block:
            sources = self._sources(block)
            counts = [0] * len(self._sizes)
            ranks = []
            for source in sources:
                ranks.append(counts[source])
                counts[source] += 1
            self._draws = (block, sources, ranks)
        return self._draws[1][offset], self._draws[2][offset]

    def _earlier(self, block: int) -> list[int]:
        """How often each data set was drawn before a block."""
        while len(self._before) <= block:
            last = self._sources(len(self._before) - 1)
            counts = [done + last.count(source) for source, done in enumerate(self._before[-1])]
            self._before.append(counts)
        return self._before[block]

    def _sources(self, block: int) -> list[int]:
        """The data sets that the positions of a block draw."""
        stream = keyed(self._seed, "sources", block)
        drawn: list[int] = stream.choice(len(self._shares), size=_BLOCK, p=self._shares).tolist()
        return drawn
