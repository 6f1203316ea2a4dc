"""What will be done, and whether it can be: everything that needs headers but no numbers."""

from __future__ import annotations

from xlmerge.plan.merge_step import HeadPolicy, MergeStepPlan, PlannedInput
from xlmerge.plan.planner import plan_merge
from xlmerge.plan.request import (
    Cell,
    DataRequest,
    Draft,
    EvaluateRequest,
    HeadRequest,
    Request,
    StepRequest,
    TrainRequest,
)

__all__ = [
    "Cell",
    "DataRequest",
    "Draft",
    "EvaluateRequest",
    "HeadPolicy",
    "HeadRequest",
    "MergeStepPlan",
    "PlannedInput",
    "Request",
    "StepRequest",
    "TrainRequest",
    "plan_merge",
]
