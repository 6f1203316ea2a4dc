"""Batches for the loop: each process takes its part of each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from xlmerge.errors import DataError, ParameterError
from xlmerge.runtime.data.schedule import Schedule
from xlmerge.runtime.distributed import rank, world_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xlmerge.runtime.protocol import Batch, Features
    from xlmerge.runtime.training.options import FitOptions
    from xlmerge.runtime.training.work import Training

__all__ = ["Inputs", "Scheduled", "encoded", "loader", "part_of", "schedule", "with_columns"]


class Inputs:
    """The encoded inputs of all sources for training.

    Args:
        sources: Inputs of each source.
        weights: How often each is drawn, or None for as often as it has inputs.
    """

    def __init__(
        self, sources: Sequence[Sequence[Features]], weights: Sequence[float] | None = None
    ) -> None:
        self.sources = sources
        self.weights = weights
        self.lengths = np.array([len(f["input_ids"]) for source in sources for f in source])

    def __len__(self) -> int:
        return len(self.lengths)


class Scheduled(Dataset[dict[str, Any]]):  # type: ignore[misc]
    """The inputs of a schedule, each with its data set and the seed that a task draws masks by.

    Args:
        schedule: In which order.
        seed: Of masks.
    """

    def __init__(self, schedule: Schedule, seed: int) -> None:
        self._schedule, self._seed = schedule, seed

    def __len__(self) -> int:
        return len(self._schedule)

    def __getitem__(self, position: int) -> dict[str, Any]:
        source, _ = self._schedule.place(position)
        return {**self._schedule[position], "mask_seed": self._seed, "source": source}


class _Parts(Sampler[list[int]]):  # type: ignore[misc]
    """The positions that this process computes, in as many batches as it accumulates."""

    def __init__(self, *, steps: int, batch: int, parts: int) -> None:
        # Not Sampler's own constructor, which takes the data.
        self._steps, self._batch, self._parts = steps, batch, parts

    def __len__(self) -> int:
        return self._steps * self._parts

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self._steps):
            whole = range(step * self._batch, (step + 1) * self._batch)
            for part in range(self._parts):
                yield list(part_of(whole, part, self._parts))


def part_of(whole: range, part: int, parts: int) -> range:
    """What this process computes of a step's positions in one of so many parts."""
    at, all_ = rank() * parts + part, world_size() * parts
    return whole[len(whole) * at // all_ : len(whole) * (at + 1) // all_]


def schedule(inputs: Inputs, options: FitOptions, *, steps: int, batch: int, seed: int) -> Schedule:
    """The order in which inputs are seen."""
    return Schedule(
        inputs.sources,
        steps=steps,
        batch=batch,
        seed=seed,
        weights=inputs.weights,
        by_length=options.length_bucketing,
    )


def with_columns(batch: Batch, features: Sequence[Features], names: Sequence[str]) -> Batch:
    """A batch, and the columns that architectures may ask for."""
    columns = {name: torch.tensor([feature[name] for feature in features]) for name in names}
    return {**batch, **columns}


def encoded(work: Training, role: str) -> Inputs:
    """The inputs of a role.

    Raises:
        DataError: There is none, a row is not of the form, or a label unknown.
        ParameterError: Some of the sources have a weight and some have none.
    """
    sources = work.sources(role)
    if not sources:
        raise DataError(f"{work.name}: there is no data for `{role}`")
    weights = [weight for _, weight in sources if weight is not None]
    if weights and len(weights) < len(sources):
        raise ParameterError(
            f"{work.name}: {len(weights)} of {len(sources)} data sets for `{role}` have a weight",
            hint="give all of them a weight, or none",
        )
    tokenizer = work.live.tokenizer
    features = [
        work.task.encode(rows, tokenizer, work.labels, training=True) for rows, _ in sources
    ]
    return Inputs(features, weights or None)


def loader(
    inputs: Inputs, work: Training, options: FitOptions, steps: int
) -> DataLoader[list[tuple[int, Batch]]]:
    """The batches of this process, one after the other, each in parts by data set.

    Raises:
        ParameterError: A step has fewer inputs than parts.
    """
    parts = options.gradient_accumulation
    if options.batch_size < parts * world_size():
        raise ParameterError(
            f"{work.name}: batch_size is {options.batch_size}, but each step is computed in "
            f"{parts} parts by {world_size()} processes",
            hint="batch_size counts the inputs of a whole step: raise it",
        )
    order = schedule(inputs, options, steps=steps, batch=options.batch_size, seed=work.seed)
    tokenizer, collate = work.live.tokenizer, work.task.collate

    def collated(features: Sequence[Features]) -> list[tuple[int, Batch]]:
        """The inputs of each data set as a batch of their own where they run differently."""
        apart = len(work.on_each) > 1
        parts: dict[int, list[Features]] = {}
        for feature in features:
            parts.setdefault(feature["source"] if apart else 0, []).append(feature)
        return [
            (source, with_columns(collate(part, tokenizer), part, work.columns))
            for source, part in sorted(parts.items())
        ]

    return DataLoader(
        Scheduled(order, work.seed),
        batch_sampler=_Parts(steps=steps, batch=options.batch_size, parts=parts),
        collate_fn=collated,
        pin_memory=work.live.device.type == "cuda",
    )
