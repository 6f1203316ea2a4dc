"""What will be done, and whether it can be: everything that needs headers but no numbers."""

from __future__ import annotations

from typing import TypeAlias

from xlmerge.plan.context import PlanContext
from xlmerge.plan.evaluate_step import EvaluateStepPlan, plan_evaluation
from xlmerge.plan.late_merge import LateMergePlan, plan_late_merge
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
from xlmerge.plan.train_step import TrainStepPlan, plan_training

__all__ = [
    "Cell",
    "DataRequest",
    "Draft",
    "EvaluateRequest",
    "EvaluateStepPlan",
    "HeadPolicy",
    "HeadRequest",
    "LateMergePlan",
    "MergeStepPlan",
    "PlanContext",
    "PlannedInput",
    "Request",
    "StepPlan",
    "StepRequest",
    "TrainRequest",
    "TrainStepPlan",
    "plan_evaluation",
    "plan_late_merge",
    "plan_merge",
    "plan_training",
]

StepPlan: TypeAlias = MergeStepPlan | LateMergePlan | TrainStepPlan | EvaluateStepPlan
"""Any step that was planned."""
