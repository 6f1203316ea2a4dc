"""AdaMergeX: task adapter + language gap."""

from __future__ import annotations

from typing import Annotated, Any

from xlmerge.plugin import Between, Point, merge_method
from xlmerge.spaces import Space


@merge_method(
    summary="Carry the gap between two languages, seen on a reference task, over to another task.",
    source="Zhao et al. 2024, arXiv 2402.18913",
    heads="from task_in_source",
    distinct=(("reference_in_source", "reference_in_target"),),
)
def adamergex(
    space: Space[Point, Any],
    *,
    task_in_source: Annotated[
        Point, "the task, trained in the source language; its head is the result's"
    ],
    reference_in_source: Annotated[Point, "the reference task in the source language"],
    reference_in_target: Annotated[Point, "the reference task in the target language"],
    t: Annotated[float, Between(0, 2), "how far to go: 0 leaves the task adapter as it is"] = 1.0,
) -> Point:
    """``task + t * (reference in target - reference in source)``, in the terms of each space.

    The paper adapts the operation to the structure of the adapter, and so do spaces: the step from
    one reference to the other is transported to the task adapter.

    * LoRA: the sum of deltas ``B @ A``, exactly. The published code adds A and B each for itself,
      so that cross terms arise: ``elements: factors`` reproduces it.
    * (IA)³: ``l_T * (1 + t * (l_RT / l_RS - 1))``, with a ridge where l_RS is near zero.
    * Prefix: ``((1 - t) I + t * RT @ RS^+) @ T``; the paper's ``t * RT @ RS^+ @ T`` for t = 1.
    * Bottlenecks, which the paper does not treat: added.
    """
    return space.transport(task_in_source, reference_in_source, reference_in_target, t)
