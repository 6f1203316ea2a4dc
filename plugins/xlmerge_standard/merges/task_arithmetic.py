"""Task arithmetic: adding and negating task vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

from xlmerge.plugin import Point, Weights, merge_method
from xlmerge.spaces import Space


@merge_method(
    summary="Sum of task vectors; a negative weight takes an ability away.",
    source="Ilharco et al. 2023, arXiv 2212.04089, section 2",
    symmetric=True,
)
def task_arithmetic(
    space: Space[Point, Any],
    *,
    adapters: Sequence[Point],
    weights: Weights,
    initial: Annotated[
        Point | None, "adapter that training started from; without it, one that does nothing"
    ] = None,
    coefficient: Annotated[float, "factor on the sum (lambda in the paper)"] = 1.0,
) -> Point:
    """``theta_0 + c * sum_i w_i (theta_i - theta_0)``.

    The paper adds whole models to the pre-trained one, where theta_0 is that model and all weights
    are 1 or -1. An adapter that does nothing leaves the model as it was, and so takes theta_0's
    place here; where adapters started from a common adapter that does something, give it as
    ``initial``.
    """
    coefficients = [coefficient * weight for weight in weights]
    deltas = [space.delta(x) for x in adapters]
    if initial is not None:
        coefficients.append(1 - math.fsum(coefficients))
        deltas.append(space.delta(initial))
    return space.restore(space.lincomb(coefficients, deltas))
