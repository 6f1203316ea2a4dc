"""Weighted sum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

from xlmerge.errors import ParameterError
from xlmerge.plugin import Point, Weights, merge_method
from xlmerge.spaces import Space

_ROUNDING = 1e-12  # 0.1 + 0.2 - 0.3 is 0 to whoever typed it


@merge_method(
    summary="Weighted sum of adapters, sum_i w_i x_i; exact for LoRA (ranks add up).",
    source="Wortsman et al. 2022, arXiv 2203.05482 (equal weights that sum to 1: a uniform soup)",
    symmetric=True,
)
def linear(
    space: Space[Point, Any],
    *,
    adapters: Sequence[Point],
    weights: Weights,
    normalize: Annotated[bool, "divide the weights by their sum"] = False,
) -> Point:
    """``restore(sum_i w_i delta(x_i))``.

    The sum is one of deltas, what an adapter adds to the model: of ``B @ A`` for LoRA and of
    ``l - 1`` for (IA)³, where both libraries' own functions sum the factors and the vectors.
    Weights mean what they say: unlike mergekit and `adapters`, nothing is normalised unless asked.

    Raises:
        ParameterError: The weights are to be normalised and sum to zero.
    """
    if normalize:
        total = math.fsum(weights)
        if abs(total) <= _ROUNDING * max(map(abs, weights)):
            raise ParameterError(
                "linear: `normalize` divides by the sum of the weights, and "
                f"{', '.join(f'{weight:g}' for weight in weights)} sum to 0",
                hint="leave `normalize` out: weights that sum to 0 are fine without it",
            )
        weights = [weight / total for weight in weights]
    return space.restore(space.lincomb(weights, [space.delta(x) for x in adapters]))
