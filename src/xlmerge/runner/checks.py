"""Everything that can be said against a job before a number is read, all at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from xlmerge.checkpoint.cover import cover
from xlmerge.checkpoint.folder import open_adapter_folder
from xlmerge.checkpoint.hashing import HashMemory
from xlmerge.checkpoint.hub import locate
from xlmerge.checkpoint.provenance import read_provenance
from xlmerge.errors import Problem, RecipeError, XLMergeError
from xlmerge.plan import (
    Draft,
    EvaluateRequest,
    PlanContext,
    StepRequest,
    TrainRequest,
    plan_evaluation,
    plan_late_merge,
    plan_merge,
    plan_training,
)
from xlmerge.plan.base_model import locate_base
from xlmerge.runner.job import Work
from xlmerge.runner.manifest import read_manifest
from xlmerge.runner.outputs import output_problems

if TYPE_CHECKING:
    from contextlib import ExitStack

    from xlmerge.checkpoint.cover import AdapterLayout
    from xlmerge.plan import Request, StepPlan, TrainStepPlan
    from xlmerge.plan.base_model import LocatedBase
    from xlmerge.plugin.registry import Registry
    from xlmerge.runner.job import Job

__all__ = ["plan_job"]


def plan_job(job: Job, registry: Registry, stack: ExitStack) -> Work:
    """Locate and open every adapter, plan every step.

    Args:
        job: What to do.
        registry: Architectures and methods.
        stack: Closes the adapters' files.

    Raises:
        RecipeError: With everything that is wrong.
    """
    manifest = read_manifest(job)
    work = Work(
        job=job,
        memory=HashMemory(manifest.hashes),
        commits={} if job.update else manifest.commits,
        warnings=list(job.warnings),
    )
    problems: list[Problem] = []
    drafts: dict[str, Draft] = {}
    for name, reference in job.references.items():
        try:
            _open(name, reference, work, registry, stack)
        except XLMergeError as error:
            problems.append(
                Problem(
                    message=f"{name}: {error.message}",
                    where=job.where(("adapters", name)),
                    hint=error.hint,
                )
            )
            continue
        layout = work.layouts[name]
        drafts[name] = Draft(layout, layout if layout.has_head else None)
    work.warnings += _one_folder(work)
    work.base = _find_base(job, problems)
    context = PlanContext(base=job.base, registry=registry, located=work.base, drafts=drafts)
    context.unreadable |= set(job.references) - set(drafts)
    plans = []
    for step in job.steps:
        planned = _plan(step, job, context)
        # The members of a family share their words in the recipe, and so their mistakes.
        problems += [problem for problem in planned.problems if problem not in problems]
        work.warnings += [warning for warning in planned.warnings if warning not in work.warnings]
        if planned.plan is not None:
            plans.append(planned.plan)
    problems += output_problems(work, manifest)
    if problems:
        raise RecipeError(problems)
    work.plans = tuple(plans)
    return work


class _Planned(NamedTuple):
    """What came of planning a step."""

    plan: StepPlan | None
    problems: list[Problem]
    warnings: list[str]


def _plan(step: Request, job: Job, context: PlanContext) -> _Planned:
    """Plan a step, and tell the context what it makes."""
    where = job.where_in(step.name)
    if isinstance(step, EvaluateRequest):
        scored, problems = plan_evaluation(step, context, where)
        return _Planned(scored, problems.found, problems.warnings)
    if isinstance(step, TrainRequest):
        trained, problems = plan_training(step, context, where)
        draft = None if trained is None else _trained_before(trained, job, context)
        _make_known(step.name, draft, trained is not None, context)
        return _Planned(trained, problems.found, problems.warnings)
    if context.later & _inputs(step):
        late, found = plan_late_merge(step, context.later, context.registry, where)
        _make_known(step.name, None, late is not None, context)
        return _Planned(late, found, [])
    merged, draft, found, warnings = plan_merge(
        step, context.drafts, job.base, context.registry, where
    )
    _make_known(step.name, draft, merged is not None, context)
    return _Planned(merged, found, warnings)


def _make_known(name: str, draft: Draft | None, planned: bool, context: PlanContext) -> None:
    """Tell later steps of a result: known by its header, only when it is there, or not at all."""
    if draft is not None:
        context.drafts[name] = draft
    elif planned:
        context.later.add(name)
    else:
        context.unreadable.add(name)


def _inputs(step: StepRequest) -> set[str]:
    """Adapters that a merge names."""
    return {*(step.adapters or ()), *(step.roles or {}).values()}


def _trained_before(plan: TrainStepPlan, job: Job, context: PlanContext) -> Draft | None:
    """The adapter that an earlier run trained, if it was asked for in the same words.

    What went into it may have changed since, but not the form of the adapter.
    """
    folder = job.folders[plan.name]
    record = read_provenance(folder) if folder.is_dir() else None
    if record is None or record.get("plan") != json.loads(json.dumps(plan.describe())):
        return None
    try:
        with open_adapter_folder(folder) as opened:
            layout = cover(opened, context.registry)
    except XLMergeError:
        return None
    return Draft(layout, layout if layout.has_head else None, planned=True)


def _find_base(job: Job, problems: list[Problem]) -> LocatedBase | None:
    """The base model, if a step runs it."""
    live = [step for step in job.steps if not isinstance(step, StepRequest)]
    if not live:
        return None
    if job.base.name is None:
        kind = "trains" if isinstance(live[0], TrainRequest) else "evaluates"
        problems.append(
            Problem(
                message=f"{live[0].name} {kind}, and no base model is named",
                where=job.where(("base_model",)),
                hint="add `base_model: NAME` at the top, a folder or a hub id such as "
                "FacebookAI/xlm-roberta-base",
            )
        )
        return None
    try:
        return locate_base(job.base.name, job.start)
    except XLMergeError as error:
        problems.append(
            Problem(message=error.message, where=job.where(("base_model",)), hint=error.hint)
        )
        return None


def _open(
    name: str,
    reference: str,
    work: Work,
    registry: Registry,
    stack: ExitStack,
) -> None:
    """Find an adapter and read its headers."""
    job = work.job
    located = locate(reference, job.start, commit=work.commits.get(reference))
    layout = cover(stack.enter_context(open_adapter_folder(located.path)), registry)
    if located.commit:
        work.pins[reference] = located.commit
    work.located[name], work.layouts[name] = located, layout
    if lost := _lost(name, layout, job):
        work.warnings.append(f"{name}: not read and not carried over: {', '.join(lost)}")


def _lost(name: str, layout: AdapterLayout, job: Job) -> list[str]:
    """Files that a merge leaves behind; a head that the recipe names is not lost by that."""
    if not any(isinstance(step, StepRequest) and name in _inputs(step) for step in job.steps):
        return []
    cells = [cell for step in job.steps if isinstance(step, EvaluateRequest) for cell in step.cells]
    heads = {(c.head.start / Path(c.head.path).expanduser()).resolve() for c in cells if c.head}
    folder = layout.folder.path.resolve()
    return [file for file in layout.folder.unread if folder / file not in heads]


def _one_folder(work: Work) -> list[str]:
    """Adapters that are one folder, by path or by link."""
    by_path: dict[Path, list[str]] = {}
    for name, place in work.located.items():
        by_path.setdefault(place.path.resolve(), []).append(name)
    return [
        f"{' and '.join(names)} are one folder, {path}"
        for path, names in by_path.items()
        if len(names) > 1
    ]
