"""Merges of adapters that are still to be trained: checked as far as their headers allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xlmerge.errors import XLMergeError
from xlmerge.plan.inputs import plan_inputs
from xlmerge.plan.problems import Problems
from xlmerge.plan.values import plan_values

if TYPE_CHECKING:
    from collections.abc import Callable

    from xlmerge.errors import Problem
    from xlmerge.plan.merge_step import PlannedInput
    from xlmerge.plan.request import Place, StepRequest
    from xlmerge.plugin.method import MergeMethod
    from xlmerge.plugin.registry import Registered, Registry

__all__ = ["LateMergePlan", "plan_late_merge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LateMergePlan:
    """A merge that is planned in full when its inputs are there.

    Attributes:
        name: Name of the step.
        request: What is asked for.
        method: The method and who provides it.
        inputs: Adapters in the method's order.
        waits_for: Those of them that no folder holds yet.
    """

    name: str
    request: StepRequest
    method: Registered[MergeMethod]
    inputs: tuple[PlannedInput, ...]
    waits_for: tuple[str, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        """Adapters that it merges."""
        return tuple(dict.fromkeys(item.name for item in self.inputs))

    def describe(self) -> dict[str, Any]:
        """What is known of the merge, as plain data."""
        return {
            "method": self.method.descriptor.name,
            "inputs": [item.name for item in self.inputs],
            "parameters": dict(self.request.values),
        }


def plan_late_merge(
    request: StepRequest,
    later: set[str],
    registry: Registry,
    where: Callable[[Place], str],
) -> tuple[LateMergePlan | None, list[Problem]]:
    """Check the method, its inputs' number and roles, and its parameters.

    Args:
        request: What is asked for.
        later: Names of adapters whose headers are not known yet.
        registry: Methods.
        where: Place of a path below the step, for messages.

    Returns:
        The plan, None where problems were found; and the problems.
    """
    problems = Problems(where)
    try:
        method = registry.method(request.method)
    except XLMergeError as error:
        problems.refuse_error(("merge",), error)
        return None, problems.found
    inputs = plan_inputs(request, method.descriptor, problems)
    plan_values(request, method.descriptor, [], problems)
    if problems:
        return None, problems.found
    plan = LateMergePlan(
        name=request.name,
        request=request,
        method=method,
        inputs=inputs,
        waits_for=tuple(item.name for item in inputs if item.name in later),
    )
    return plan, []
