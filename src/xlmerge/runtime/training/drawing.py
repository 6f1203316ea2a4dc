"""Batches for steps of their own: from several roles, or several from one."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from torch.utils.data import DataLoader, Dataset, Sampler

from xlmerge.errors import ParameterError
from xlmerge.runtime.distributed import world_size
from xlmerge.runtime.training.batches import Scheduled, part_of, schedule, with_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from xlmerge.runtime.protocol import Batch, Features
    from xlmerge.runtime.training.batches import Inputs
    from xlmerge.runtime.training.options import FitOptions
    from xlmerge.runtime.training.step import Draw
    from xlmerge.runtime.training.work import Training

__all__ = ["drawing_loader"]


class _Place(NamedTuple):
    """Where an input of a step belongs."""

    draw: str
    part: int
    role: str
    position: int


class _Drawn(Dataset[tuple[_Place, dict[str, Any]]]):  # type: ignore[misc]
    """The inputs of all roles, with where they belong."""

    def __init__(self, roles: Mapping[str, Scheduled]) -> None:
        self._roles = roles

    def __getitem__(self, place: _Place) -> tuple[_Place, dict[str, Any]]:
        return place, self._roles[place.role][place.position]


class _Steps(Sampler[list[_Place]]):  # type: ignore[misc]
    """What this process computes of each step."""

    def __init__(self, draws: Mapping[str, Draw], *, steps: int, parts: int) -> None:
        # Not Sampler's own constructor, which takes the data.
        self._draws, self._steps, self._parts = draws, steps, parts

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[list[_Place]]:
        for step in range(self._steps):
            yield [
                _Place(name, part, draw.role, position)
                for name, draw in self._draws.items()
                for part in range(self._parts)
                for position in part_of(_positions(draw, step), part, self._parts)
            ]


def _positions(draw: Draw, step: int) -> range:
    """Positions that a draw takes at a step, in all processes together."""
    first, end = step * draw.batch_size, (step + 1) * draw.batch_size
    return range(first + draw.part, end, draw.parts)


def drawing_loader(
    inputs: Mapping[str, Inputs],
    draws: Mapping[str, Draw],
    work: Training,
    options: FitOptions,
    steps: int,
) -> DataLoader[dict[str, list[Batch]]]:
    """The steps of this process, one after the other: draw by name to its batches.

    Args:
        inputs: Role to inputs.
        draws: What each step takes.
        work: The training.
        options: In how many parts a process computes a step, among others.
        steps: How many.

    Raises:
        ParameterError: A draw has fewer inputs than parts.
    """
    parts = options.gradient_accumulation
    for name, draw in draws.items():
        found = len(_positions(draw, 0))
        if found < parts * world_size():
            raise ParameterError(
                f"{work.name}: a step takes {found} inputs for `{name}`, but is computed in "
                f"{parts} parts by {world_size()} processes",
                hint="batch sizes count the inputs of a whole step: raise it",
            )
    sizes = {draw.role: draw.batch_size for draw in draws.values()}
    roles = {}
    for at, (role, size) in enumerate(sizes.items()):
        seed = _seed(work.seed, role, at)
        order = schedule(inputs[role], options, steps=steps, batch=size, seed=seed)
        roles[role] = Scheduled(order, work.seed)
    tokenizer, collate = work.live.tokenizer, work.task.collate

    def collated(found: Sequence[tuple[_Place, Features]]) -> dict[str, list[Batch]]:
        batches: dict[str, list[Batch]] = {}
        for name in draws:
            for part in range(parts):
                some = [f for place, f in found if (place.draw, place.part) == (name, part)]
                made = with_columns(collate(some, tokenizer), some, work.columns)
                batches.setdefault(name, []).append(made)
        return batches

    return DataLoader(
        _Drawn(roles),
        batch_sampler=_Steps(draws, steps=steps, parts=parts),
        collate_fn=collated,
        pin_memory=work.live.device.type == "cuda",
    )


def _seed(seed: int, role: str, at: int) -> int:
    """A seed for each role.

    With one for all, data sets of one size would be drawn in one order, and the rows of parallel
    data lie beside their translations.
    """
    return seed if at == 0 else zlib.crc32(f"{seed} {role}".encode())
