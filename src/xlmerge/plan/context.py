"""What planning a step knows beside the step itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from xlmerge.checkpoint.compatibility import BaseModel
    from xlmerge.plan.base_model import LocatedBase
    from xlmerge.plan.request import DataRequest, Draft
    from xlmerge.plugin.registry import Registry

__all__ = ["PlanContext"]


@dataclass(slots=True, kw_only=True)
class PlanContext:
    """What is known while the steps of a job are planned, one after the other.

    Attributes:
        base: What the user says of the base model.
        located: Where the base model lies; None if no step runs it, or it cannot be found, which
            was told already.
        registry: What plugins provide.
        drafts: Adapters whose headers are known, by name: references, results of merges, and of
            trainings that an earlier run finished.
        later: Names of adapters that are known only when the steps that make them are done.
        unreadable: Names of adapters of which it was told already that they cannot be read.
        data_files: Gives the files of each split of a data set, nothing for one on the hub; raises
            :class:`xlmerge.errors.DataError`.
        split_named: Gives the split among several that a name means (``valid`` for
            ``validation``), or None.
    """

    base: BaseModel
    registry: Registry
    located: LocatedBase | None = None
    drafts: dict[str, Draft] = field(default_factory=dict)
    later: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
    data_files: Callable[[DataRequest], Mapping[str, Sequence[Path]]] = lambda _: {}
    split_named: Callable[[str, Iterable[str]], str | None] = lambda name, there: (
        name if name in set(there) else None
    )
