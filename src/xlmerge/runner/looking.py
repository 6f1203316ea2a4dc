"""What planning is told of the world outside: adapters, the base model, files of data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlmerge.plan import PlanContext, StepRequest

if TYPE_CHECKING:
    from xlmerge.plan import Draft
    from xlmerge.plugin.registry import Registry
    from xlmerge.runner.job import Work

__all__ = ["plan_context"]


def plan_context(work: Work, registry: Registry, drafts: dict[str, Draft]) -> PlanContext:
    """What planning knows beside the steps.

    Args:
        work: The job, and where its base model lies.
        registry: What plugins provide.
        drafts: Adapters whose headers are known.
    """
    context = PlanContext(base=work.job.base, registry=registry, located=work.base, drafts=drafts)
    if any(not isinstance(step, StepRequest) for step in work.job.steps):
        # These two look at names only and import no library.
        from xlmerge.runtime.data.files import data_files
        from xlmerge.runtime.data.splits import split_named

        context.data_files, context.split_named = data_files, split_named
    return context
