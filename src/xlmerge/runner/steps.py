"""The steps of a checked job, one after the other."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from xlmerge.errors import RecipeError, XLMergeError
from xlmerge.plan import (
    EvaluateStepPlan,
    LateMergePlan,
    MergeStepPlan,
    StepRequest,
    TrainRequest,
    TrainStepPlan,
    plan_evaluation,
    plan_merge,
    plan_training,
)
from xlmerge.runner.evaluating import run_evaluation
from xlmerge.runner.job import StepResult
from xlmerge.runner.merging import run_merge
from xlmerge.runner.ranks import by_first
from xlmerge.runner.run_state import RunState
from xlmerge.runner.training import run_training

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import ExitStack

    from xlmerge.errors import Problem
    from xlmerge.plan import StepPlan
    from xlmerge.plugin.registry import Registry
    from xlmerge.runner.job import Listener, Work

__all__ = ["StepRunner"]


class StepRunner:
    """Carries out the steps of checked work.

    Args:
        work: What to do.
        registry: What plugins provide.
        listener: Who hears of it.
        stack: Closes the files of results that later steps read.
    """

    def __init__(
        self, work: Work, registry: Registry, listener: Listener, stack: ExitStack
    ) -> None:
        self._state = RunState(work, registry, listener, stack)
        self._requests = {request.name: request for request in work.job.steps}

    def run(self, plan: StepPlan) -> StepResult:
        """Carry out a step, unless the output is there and still true.

        Raises:
            XLMergeError: It cannot be done or written; the output is as it was.
        """
        started = time.monotonic()
        state = self._state
        with _about(plan.name):
            plan, warnings = self._planned_again(plan)
            for warning in warnings:
                state.warn(warning)
            status, report = self._carry_out(plan)
        result = StepResult(
            name=plan.name,
            folder=state.work.job.folders[plan.name],
            status=status,
            seconds=time.monotonic() - started,
            report=report,
        )
        if status == "trained" or state.renewed & set(plan.needs):
            state.renewed.add(plan.name)
        state.open_result(plan)
        for warning in report.get("warnings", ()):
            state.warn(str(warning))
        state.listener.step_finished(result)
        return result

    def _carry_out(self, plan: StepPlan) -> tuple[Any, Mapping[str, Any]]:
        """What became of the step, and its report."""
        if isinstance(plan, TrainStepPlan):
            return run_training(plan, self._state)
        if isinstance(plan, EvaluateStepPlan):
            return by_first(lambda: run_evaluation(plan, self._state))
        if isinstance(plan, MergeStepPlan):
            return by_first(lambda: run_merge(plan, self._state))
        raise TypeError(f"{plan.name} was not planned in full")

    def _planned_again(self, plan: StepPlan) -> tuple[StepPlan, list[str]]:
        """The plan as it is now that all inputs are there; and what to warn of.

        Only steps that take something trained are planned again, for only then may an input be of
        another form than it was, or was not there at all.

        Raises:
            RecipeError: An input turned out not to fit.
        """
        state = self._state
        late = isinstance(plan, LateMergePlan)
        if not late and not state.renewed & set(plan.needs):
            return plan, []
        request, context = self._requests[plan.name], state.context()
        where = state.work.job.where_in(plan.name)
        planned: StepPlan | None
        found: list[Problem]
        if isinstance(request, StepRequest):
            planned, _, found, warnings = plan_merge(
                request, context.drafts, context.base, state.registry, where
            )
        else:
            planned, problems = (
                plan_training(request, context, where)
                if isinstance(request, TrainRequest)
                else plan_evaluation(request, context, where)
            )
            found, warnings = problems.found, problems.warnings
        if planned is None:
            raise RecipeError(found)
        return planned, warnings


@contextmanager
def _about(name: str) -> Iterator[None]:
    """Errors say which step they stopped; one of a recipe with many may have run for hours."""
    try:
        yield
    except RecipeError:
        raise  # its problems say where
    except XLMergeError as error:
        if not error.message.startswith(f"{name}: "):
            error.message = f"{name}: {error.message}"
            error.args = (error.message,)
        raise
