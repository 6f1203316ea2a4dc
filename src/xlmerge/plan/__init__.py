"""What will be done, and whether it can be: everything that needs headers but no numbers."""

from __future__ import annotations

from xlmerge.plan.merge_step import HeadPolicy, MergeStepPlan, PlannedInput
from xlmerge.plan.planner import Draft, StepRequest, layer_of, plan_merge

__all__ = ["Draft", "HeadPolicy", "MergeStepPlan", "PlannedInput", "StepRequest", "layer_of", "plan_merge"]
