"""Weighted sum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

from xlmerge.errors import ParameterError
from xlmerge.plugin import Point, Weights, merge_method


@merge_method(
    summary="Weighted sum of adapters, sum_i w_i x_i; exact for LoRA (ranks add up).",
    source="Wortsman et al. 2022, arXiv 2203.05482 (weights that are equal and sum to 1: a uniform soup)",
    symmetric=True,
)
def linear(
    space: Any,
    *,
    adapters: Sequence[Point],
    weights: Weights,
    normalize: Annotated[bool, "divide the weights by their sum"] = False,
) -> Point:
    """``restore(sum_i w_i delta(x_i))``.

    Raises:
        ParameterError: The weights are to be normalised and sum to zero.
    """
    if normalize:
        total = math.fsum(weights)
        if math.isclose(total, 0, abs_tol=1e-12 * max(map(abs, weights))):
            raise ParameterError(
                "`normalize` divides by the sum of the weights, and they sum to 0",
                hint="leave `normalize` out: weights that sum to 0 are fine without it",
            )
        weights = [weight / total for weight in weights]
    return space.restore(space.lincomb(weights, [space.delta(x) for x in adapters]))
