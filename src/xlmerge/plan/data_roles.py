"""Which data a training gets in which role, and whether it is there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from xlmerge.errors import CheckpointError
from xlmerge.plan.problems import nearest
from xlmerge.plan.references import find_local

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xlmerge.plan.problems import Problems
    from xlmerge.plan.request import DataRequest, Place
    from xlmerge.plugin.trainers import Trainer

__all__ = ["WHOLE", "Roles", "check_data", "plan_roles"]

WHOLE = ""
"""Role of a data set that a recipe gives as a whole: it fills the roles named like its splits."""

_SPLITS = ("train", "validation", "test")

Roles = dict[str, "tuple[tuple[DataRequest, float | None], ...]"]


def plan_roles(
    data: Mapping[str, tuple[tuple[DataRequest, float | None], ...]],
    trainer: Trainer,
    problems: Problems,
) -> tuple[Roles, frozenset[str]]:
    """Data by role, and the roles that are left out where the data set has no such split.

    Args:
        data: As asked for.
        trainer: Says which roles there are.
        problems: Where problems go: unknown and missing roles, several data sets where one
            belongs, weights without meaning, and local files that are not there.
    """
    given = dict(data)
    roles: Roles = {}
    if_present: set[str] = set()
    if whole := given.pop(WHOLE, ()):
        filled = _split_roles(trainer, whole)
        roles |= dict.fromkeys(filled, whole)
        if_present = {role for role in filled if role in trainer.optional_data}
    for role, sets in given.items():
        if role not in trainer.data:
            problems.refuse(
                ("data", role),
                f"{trainer.name} has no data role `{role}`{nearest(role, trainer.data)}",
                _in_words(trainer),
            )
            continue
        roles[role] = sets
        if_present.discard(role)
    missing = [role for role in trainer.data if role not in roles]
    needed = [role for role in missing if role not in trainer.optional_data]
    if needed:
        problems.refuse(
            ("data",) if data else (),
            f"{trainer.name} needs data for {', '.join(f'`{role}`' for role in needed)}",
            _in_words(trainer),
        )
    for role, sets in roles.items():
        place: Place = ("data", role) if role in given else ("data",)
        _check_sets(role, sets, trainer, place, problems)
    for request, role in {id(r): (r, role) for role, s in roles.items() for r, _ in s}.values():
        check_data(request, ("data", role) if role in given else ("data",), problems)
    return roles, frozenset(if_present)


def _split_roles(
    trainer: Trainer, whole: tuple[tuple[DataRequest, float | None], ...]
) -> list[str]:
    """Roles that a data set fills by its splits, as far as they can be told now."""
    named = [set(request.files) for request, _ in whole]
    return [
        role
        for role in trainer.data
        if all(role in splits if splits else role in _SPLITS for splits in named)
    ]


def _in_words(trainer: Trainer) -> str:
    return "its data: " + "; ".join(
        f"{role}{' (optional)' if role in trainer.optional_data else ''}: {purpose}"
        for role, purpose in trainer.data.items()
    )


def _check_sets(
    role: str,
    sets: tuple[tuple[DataRequest, float | None], ...],
    trainer: Trainer,
    place: Place,
    problems: Problems,
) -> None:
    """Numbers of data sets and their weights."""
    if role not in trainer.many and len(sets) != 1:
        problems.refuse(place, f"{trainer.name} takes one data set as `{role}`; found {len(sets)}")
    if not sets:
        problems.refuse(place, f"no data set is named as `{role}`")
    weights = [weight for _, weight in sets]
    if role not in trainer.many and any(weight is not None for weight in weights):
        problems.refuse(place, f"{trainer.name} takes no sampling weight for `{role}`")
    for request, weight in sets:
        if weight is None:
            continue
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            found = f"{weight!r}"
        elif not math.isfinite(weight) or weight <= 0:
            found = f"{weight:g}"
        else:
            continue
        problems.refuse(
            (*place, request.name),
            f"a sampling weight is a finite number above 0; {request.name} has {found}",
        )
    if None in weights and any(weight is not None for weight in weights):
        problems.refuse(place, "either all data sets of a role have a sampling weight or none has")


def check_data(
    request: DataRequest, place: Place, problems: Problems, split: str | None = None
) -> None:
    """Check that the local files of a data set are there; the hub is not asked.

    Args:
        request: The data set.
        place: Where it is named, below the step.
        problems: Where problems go.
        split: A split that is going to be read.
    """
    try:
        path = find_local(request.path, request.start, f"data set {request.name}:")
    except CheckpointError as error:
        problems.refuse_error(place, error)
        return
    if split is not None and request.files and split not in request.files:
        problems.refuse(
            place,
            f"data set {request.name}: it has no split `{split}`{nearest(split, request.files)}",
            f"its splits: {', '.join(request.files)}",
        )
    if path is None:
        return
    if path.is_file():
        if request.files:
            problems.refuse(
                place,
                f"data set {request.name}: {request.path} is a file; `files` names files below a "
                "folder",
            )
        return
    wanted = dict(request.files)
    if split is not None and split in wanted:
        wanted = {split: wanted[split]}
    for name, pattern in wanted.items():
        if not any(found.is_file() for found in path.glob(pattern)):
            problems.refuse(
                place,
                f"data set {request.name}: there is no {pattern} in {path} (split `{name}`)",
                f"there is: {_listing(path)}",
            )
    if not request.files and not any(path.iterdir()):
        problems.refuse(place, f"data set {request.name}: the folder {path} is empty")


def _listing(path: Path) -> str:
    names = sorted(entry.name for entry in path.iterdir())
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "") or "nothing"
