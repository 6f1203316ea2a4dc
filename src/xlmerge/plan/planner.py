"""From a step of a recipe and the adapters' headers to a planned merge, all problems at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xlmerge.checkpoint.compatibility import compare_layouts
from xlmerge.errors import XLMergeError
from xlmerge.plan.heads import plan_heads
from xlmerge.plan.inputs import check_distinct_folders, plan_inputs
from xlmerge.plan.merge_step import MergeStepPlan
from xlmerge.plan.problems import Problems
from xlmerge.plan.rehearsal import rehearse
from xlmerge.plan.request import Draft
from xlmerge.plan.values import check_spaces, check_values, plan_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from xlmerge.checkpoint.compatibility import BaseModel
    from xlmerge.errors import Problem
    from xlmerge.plan.request import Place, StepRequest
    from xlmerge.plugin.registry import Registry

__all__ = ["plan_merge"]


def plan_merge(
    request: StepRequest,
    drafts: Mapping[str, Draft],
    base: BaseModel,
    registry: Registry,
    where: Callable[[Place], str],
) -> tuple[MergeStepPlan | None, Draft | None, list[Problem], list[str]]:
    """Plan one merge.

    Args:
        request: What is asked for.
        drafts: Adapters by name; those that could not be read are missing, which was told already.
        base: What the user says of the base model.
        registry: Methods and architectures.
        where: Place of a path below the step, for messages.

    Returns:
        The plan and the draft of its result (None where problems were found or inputs are missing),
        problems, warnings.
    """
    problems = Problems(where)
    plan = _plan(request, drafts, base, registry, problems)
    draft = None if plan is None else _draft(plan, drafts)
    return plan, draft, problems.found, problems.warnings


def _plan(
    request: StepRequest,
    drafts: Mapping[str, Draft],
    base: BaseModel,
    registry: Registry,
    problems: Problems,
) -> MergeStepPlan | None:
    try:
        registered = registry.method(request.method)
    except XLMergeError as error:
        problems.refuse_error(("merge",), error)
        return None
    method = registered.descriptor
    inputs = plan_inputs(request, method, problems)
    readable = bool(inputs) and all(item.name in drafts for item in inputs)
    layouts = {item.name: drafts[item.name].layout for item in inputs} if readable else {}
    values = plan_values(request, method, list(layouts.values()), problems)
    if not readable:
        return None
    verdict = compare_layouts(layouts, base, any_dtype=request.dtype is not None)
    for problem in verdict.problems:
        problems.refuse((), f"{request.name}: {problem.message}", problem.hint)
    problems.warnings += verdict.warnings
    check_distinct_folders(method, inputs, drafts, problems)
    heads = plan_heads(request, method, inputs, drafts, problems)
    if problems or values is None or heads is None:
        return None
    plan = MergeStepPlan(
        name=request.name,
        method=registered,
        inputs=inputs,
        parameters=values.parameters,
        options=values.options,
        scope=values.scope,
        seed=values.seed,
        heads=heads,
        dtype=request.dtype,
        container=request.container,
        base=base,
    )
    in_order = [layouts[item.name] for item in inputs]
    check_values(plan, in_order[0], problems)
    if not problems:
        check_spaces(plan, in_order, problems)
        rehearse(plan, in_order[0], problems)
    return None if problems else plan


def _draft(plan: MergeStepPlan, drafts: Mapping[str, Draft]) -> Draft:
    """The result as later steps see it before it exists: the first input, with what will change."""
    layout = drafts[plan.inputs[0].name].layout
    header = layout.folder.header
    tensors = header.tensors
    if plan.dtype is not None:
        tensors = {key: replace(tensor, dtype=plan.dtype) for key, tensor in tensors.items()}
    header = replace(header, tensors=tensors, base_model=plan.base.name or header.base_model)
    head = drafts[plan.heads.sources[0]].head if plan.heads.sources else None
    layout = replace(layout, folder=replace(layout.folder, header=header))
    return Draft(layout, head, planned=True)
