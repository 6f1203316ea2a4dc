"""The order in which training sees rows: a function of the seed and of the position alone.

Position ``p`` counts the features that were seen before. What lies at a position depends neither
on how many processes or workers there are, nor on where a run began, nor on how many steps it
has; so a run that was killed goes on exactly where it was, and two processes with half the batch
see at each step what one would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.errors import ParameterError
from xlmerge.runtime.data.order import Mixture, keyed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Schedule"]

_WINDOW = 32  # batches, at most, among which rows of like length are put together


class Schedule:
    """A map-style data set of positions, to be read in their order.

    Args:
        sources: Features of each data set.
        steps: Number of optimiser steps, at least 1.
        batch: Features a step, over all processes and accumulated batches together; at least 1.
        seed: Seed of the order.
        weights: How often each data set is drawn from, relative to the others; None for as often
            as it has features.
        by_length: Whether to put features of like length (of ``input_ids``) into one batch, which
            saves padding. The order of the batches stays random.

    Raises:
        DataError: A data set is empty, or a weight is not positive.
        ParameterError: ``steps`` or ``batch`` is below 1.
    """

    def __init__(
        self,
        sources: Sequence[Sequence[Mapping[str, Any]]],
        *,
        steps: int,
        batch: int,
        seed: int,
        weights: Sequence[float] | None = None,
        by_length: bool = False,
    ) -> None:
        for name, value in (("steps", steps), ("batch", batch)):
            if value < 1:
                raise ParameterError(f"{name}: expected at least 1, found {value}")
        self.batch = batch
        self.steps = steps
        self._sources = sources
        self._seed = seed
        self._mixture = Mixture([len(source) for source in sources], weights, seed=seed)
        self._by_length = by_length
        # A row that comes twice would lie beside itself: few windows reach from one pass over a
        # data set into the next.
        in_a_pass = self._mixture.positions_a_pass / batch
        self._within = max(1, min(_WINDOW, int(in_a_pass / 4)))
        self._window: tuple[int, list[tuple[int, int]]] = (-1, [])

    def __len__(self) -> int:
        """Number of positions, ``steps * batch``."""
        return self.steps * self.batch

    def __getitem__(self, position: int) -> dict[str, Any]:
        """The feature at a position, and ``position`` itself, to key random draws by.

        Raises:
            IndexError: There is no such position.
        """
        source, index = self.place(position)
        return {**self._sources[source][index], "position": position}

    def place(self, position: int) -> tuple[int, int]:
        """Data set and row that lie at a position.

        Raises:
            IndexError: There is no such position.
        """
        if not 0 <= position < len(self):
            raise IndexError(f"position {position} of {len(self)}")
        return self._among_like(position) if self._by_length else self._mixture.place(position)

    def positions(self, step: int, *, process: int = 0, processes: int = 1) -> range:
        """The positions that one of several processes sees at an optimiser step.

        Args:
            step: From 0.
            process: Rank of the process.
            processes: How many there are.

        Raises:
            ParameterError: The batch cannot be divided among the processes.
        """
        share, rest = divmod(self.batch, processes)
        if rest:
            raise ParameterError(
                f"batch: {self.batch} features cannot be divided among {processes} processes",
                hint="take a batch that is a multiple of their number",
            )
        first = step * self.batch + process * share
        return range(first, first + share)

    def _among_like(self, position: int) -> tuple[int, int]:
        """What lies at a position once its window is sorted by length.

        A window is sorted whole even where the run ends within it: what lies at a position must
        not depend on the number of steps.
        """
        size = self._within * self.batch
        window, offset = divmod(position, size)
        if self._window[0] != window:
            self._window = (window, self._sorted(window, size))
        return self._window[1][offset]

    def _sorted(self, window: int, size: int) -> list[tuple[int, int]]:
        drawn = [self._mixture.place(window * size + offset) for offset in range(size)]
        ordered = sorted(drawn, key=self._length)  # stable: like lengths keep the random order
        batches = [ordered[first : first + self.batch] for first in range(0, size, self.batch)]
        shuffled = keyed(self._seed, "batches", window).permutation(len(batches))
        return [place for number in shuffled for place in batches[number]]

    def _length(self, place: tuple[int, int]) -> int:
        source, index = place
        return len(self._sources[source][index]["input_ids"])
