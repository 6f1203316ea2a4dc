"""What planning a step knows beside the step itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xlmerge.checkpoint.compatibility import BaseModel
    from xlmerge.plan.base_model import LocatedBase
    from xlmerge.plan.request import Draft
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
    """

    base: BaseModel
    registry: Registry
    located: LocatedBase | None = None
    drafts: dict[str, Draft] = field(default_factory=dict)
    later: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
