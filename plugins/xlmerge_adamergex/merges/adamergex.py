"""AdaMergeX: task adapter + language gap."""

from __future__ import annotations

from typing import Annotated, Any

from xlmerge.plugin import Between, Point, merge_method


@merge_method(
    summary="Carry the gap between two languages, seen on a reference task, over to another task.",
    source="Zhao et al. 2024, arXiv 2402.18913, section 3.3",
    heads="from task_in_source",
    distinct=(("reference_in_source", "reference_in_target"),),
)
def adamergex(
    space: Any,
    *,
    task_in_source: Annotated[Point, "the task, trained in the source language; its head is the result's"],
    reference_in_source: Annotated[Point, "the reference task in the source language"],
    reference_in_target: Annotated[Point, "the reference task in the target language"],
    t: Annotated[float, Between(0, 2), "how far to go: 0 leaves the task adapter as it is"] = 1.0,
) -> Point:
    """``transport(task_in_source, reference_in_source, reference_in_target, t)`` in the space of each parameter.

    LoRA: the sum of deltas, exactly (``elements: factors`` adds A and B each for itself, as the published code does).
    (IA)³: the ratio, with a ridge. Prefix: by the pseudo-inverse. Bottlenecks, which the paper does not treat: additive.
    """
    return space.transport(task_in_source, reference_in_source, reference_in_target, t)
