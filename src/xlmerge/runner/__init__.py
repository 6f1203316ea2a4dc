"""Jobs carried out: adapters located, steps done in order, what is still true not repeated."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING

from xlmerge.checkpoint.leftovers import remove_leftovers
from xlmerge.checkpoint.staging import held_folder
from xlmerge.runner.checks import plan_job
from xlmerge.runner.job import Job, Listener, RunResult, StepResult, Work, step_name
from xlmerge.runner.manifest import write_manifest
from xlmerge.runner.ranks import is_first, wait
from xlmerge.runner.steps import StepRunner

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from xlmerge.plugin.registry import Registry

__all__ = ["Job", "Listener", "RunResult", "StepResult", "Work", "run_job", "step_name"]


def run_job(
    job: Job, registry: Registry, listener: Listener | None = None, *, dry_run: bool = False
) -> tuple[Work, RunResult]:
    """Check a job as a whole, then carry it out.

    Args:
        job: What to do.
        registry: Architectures and methods.
        listener: Who hears of it.
        dry_run: Stop after the checks.

    Raises:
        RecipeError: With everything that is wrong.
        XLMergeError: While merging or writing; outputs are whole or as they were before.
    """
    listener = listener or Listener()
    with ExitStack() as stack:
        work = plan_job(job, registry, stack)
        for warning in work.warnings:
            listener.warning(warning)
        results: list[StepResult] = []
        if not dry_run:
            wait()  # until all processes have looked at what is there now
            if is_first():
                stack.enter_context(_alone(job, listener))
                for folder in job.folders.values():
                    if folder.parent.is_dir():
                        remove_leftovers(folder)
            runner = StepRunner(work, registry, listener, stack)
            for plan in work.plans:
                results.append(runner.run(plan))
                if is_first():
                    write_manifest(work)
        return work, RunResult(steps=tuple(results), warnings=tuple(work.warnings))


def _alone(job: Job, listener: Listener) -> AbstractContextManager[None]:
    """Keep runs of a recipe apart: one would take the other's results from under its steps."""
    if job.manifest is None:
        return nullcontext()
    folder = job.manifest.parent
    return held_folder(
        folder, lambda: listener.warning(f"waiting for another run that writes to {folder}")
    )
