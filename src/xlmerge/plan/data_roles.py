"""Which data a training gets in which role, and whether it is there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from xlmerge.errors import XLMergeError
from xlmerge.plan.problems import nearest
from xlmerge.plan.split_files import data_files
from xlmerge.plan.splits import split_named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlmerge.plan.problems import Problems
    from xlmerge.plan.request import DataRequest, Place
    from xlmerge.plugin.trainers import Trainer

__all__ = ["WHOLE", "Roles", "Sets", "check_split", "plan_roles"]

WHOLE = ""
"""Role of a data set that a recipe gives as a whole: it fills the roles named like its splits."""

_SPLITS = ("train", "validation", "test")

Sets = tuple[tuple["DataRequest", "float | None"], ...]
Roles = dict[str, Sets]


def plan_roles(
    data: Mapping[str, Sets], trainer: Trainer, problems: Problems
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
        splits = _splits_of_all(whole, problems)
        if splits is None:
            return roles, frozenset()
        for role in trainer.data:
            if _fills(role, splits, trainer):
                roles[role] = whole
        if_present = {role for role in roles if role in trainer.optional_data and not splits}
    for role, sets in given.items():
        if role in trainer.data:
            roles[role] = sets
            if_present.discard(role)
            _check_splits(role, sets, problems)
        else:
            problems.refuse(
                ("data", role),
                f"{trainer.name} has no data role `{role}`{nearest(role, trainer.data)}",
                _in_words(trainer),
            )
    needed = [r for r in trainer.data if r not in roles and r not in trainer.optional_data]
    if needed:
        problems.refuse(
            ("data",) if data else (),
            f"{trainer.name} needs data for {', '.join(f'`{role}`' for role in needed)}",
            _in_words(trainer),
        )
    for role, sets in roles.items():
        _check_sets(role, sets, trainer, ("data", role) if role in given else ("data",), problems)
    return roles, frozenset(if_present)


def check_split(request: DataRequest, split: str, place: Place, problems: Problems) -> None:
    """Check that a data set has a split; the hub is not asked.

    Args:
        request: The data set.
        split: The split.
        place: Where the data set is named, below the step.
        problems: Where problems go.
    """
    splits = _splits(request, place, problems)
    if splits and split_named(split, splits) is None:
        problems.refuse(
            place,
            f"the data set {request.name} has no split `{split}`{nearest(split, splits)}",
            f"its splits: {', '.join(splits)}",
        )


def _splits(request: DataRequest, place: Place, problems: Problems) -> tuple[str, ...] | None:
    """Splits of a data set; empty for one on the hub, None if there is a problem."""
    try:
        return tuple(data_files(request))
    except XLMergeError as error:
        problems.refuse_error(place, error)
        return None


def _splits_of_all(sets: Sets, problems: Problems) -> tuple[str, ...] | None:
    """Splits that all of several data sets have; empty if that cannot be told."""
    found = [_splits(request, ("data",), problems) for request, _ in sets]
    known = [splits for splits in found if splits]
    if None in found:
        return None
    if not known:
        return ()
    return tuple(split for split in known[0] if all(split in splits for splits in known))


def _fills(role: str, splits: tuple[str, ...], trainer: Trainer) -> bool:
    """Whether a data set that is given as a whole fills a role."""
    if role not in _SPLITS:
        return False
    if not splits or split_named(role, splits) is not None:
        return True
    # A data set of a single split is meant to be trained on, whatever its file is called.
    return len(splits) == 1 and role == "train" and role not in trainer.optional_data


def _check_splits(role: str, sets: Sets, problems: Problems) -> None:
    """A role takes the split of its name, or the only one; others take what is to train on."""
    wanted = role if role in _SPLITS else "train"
    for request, _ in sets:
        splits = _splits(request, ("data", role), problems)
        if splits and len(splits) > 1:
            check_split(request, wanted, ("data", role), problems)


def _in_words(trainer: Trainer) -> str:
    return "its data: " + "; ".join(
        f"{role}{' (optional)' if role in trainer.optional_data else ''}: {purpose}"
        for role, purpose in trainer.data.items()
    )


def _check_sets(role: str, sets: Sets, trainer: Trainer, place: Place, problems: Problems) -> None:
    """Numbers of data sets and their weights."""
    if not sets:
        problems.refuse(place, f"no data set is named for `{role}`")
    elif role not in trainer.many and len(sets) > 1:
        problems.refuse(place, f"{trainer.name} takes one data set for `{role}`; found {len(sets)}")
    weights = [weight for _, weight in sets]
    if role not in trainer.many and any(weight is not None for weight in weights):
        problems.refuse(place, f"{trainer.name} takes no sampling weight for `{role}`")
    elif None in weights and any(weight is not None for weight in weights):
        problems.refuse(place, "either all data sets of a role have a sampling weight or none has")
    for request, weight in sets:
        if weight is not None and not _is_weight(weight):
            problems.refuse(
                (*place, request.name),
                f"a sampling weight is a finite number above 0; {request.name} has {weight!r}",
            )


def _is_weight(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and value > 0
