"""Everything that can be said against a job before a number is read, all at once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from xlmerge.checkpoint.cover import cover
from xlmerge.checkpoint.folder import open_adapter_folder
from xlmerge.checkpoint.hashing import HashMemory
from xlmerge.checkpoint.hub import locate
from xlmerge.errors import Problem, RecipeError, XLMergeError
from xlmerge.plan import Draft, plan_merge
from xlmerge.runner.job import Work
from xlmerge.runner.manifest import read_manifest
from xlmerge.runner.outputs import output_problems

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

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
    work = Work(job=job, memory=HashMemory(manifest.hashes), warnings=list(job.warnings))
    problems: list[Problem] = []
    drafts: dict[str, Draft] = {}
    for name, reference in job.references.items():
        try:
            _open(name, reference, manifest.commits, work, registry, stack)
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
    plans = []
    for step in job.steps:
        plan, draft, found, warnings = plan_merge(
            step, drafts, job.base, registry, partial(_where, job, step.name)
        )
        problems += found
        work.warnings += [warning for warning in warnings if warning not in work.warnings]
        if plan is not None and draft is not None:
            plans.append(plan)
            drafts[step.name] = draft
    problems += output_problems(work, manifest)
    if problems:
        raise RecipeError(problems)
    work.plans = tuple(plans)
    return work


def _where(job: Job, step: str, path: tuple[str | int, ...]) -> str:
    return job.where(("steps", step, *path))


def _open(
    name: str,
    reference: str,
    commits: dict[str, str],
    work: Work,
    registry: Registry,
    stack: ExitStack,
) -> None:
    """Find an adapter and read its headers."""
    job = work.job
    commit = None if job.update else commits.get(reference)
    located = locate(reference, job.start, commit=commit)
    layout = cover(stack.enter_context(open_adapter_folder(located.path)), registry)
    if located.commit:
        work.pins[reference] = located.commit
    work.located[name], work.layouts[name] = located, layout
    if layout.folder.unread:
        work.warnings.append(
            f"{name}: not read and not carried over: {', '.join(layout.folder.unread)}"
        )


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
