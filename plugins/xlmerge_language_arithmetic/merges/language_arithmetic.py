"""Language arithmetic: a language between languages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

from xlmerge.errors import ParameterError
from xlmerge.plugin import Point, Weights, merge_method
from xlmerge.spaces import Space

_ROUNDING = 2e-6  # admits thirds that are typed with six digits


@merge_method(
    summary="Weighted language vectors: an adapter for a language out of those of other languages.",
    source="Klimaszewski et al. 2025, arXiv 2404.15737",
    symmetric=True,
    heads="drop",
)
def language_arithmetic(
    space: Space[Point, Any],
    *,
    adapters: Sequence[Point],
    weights: Weights,
    initial: Annotated[
        Point | None, "adapter that the languages' training started from (theta_0)"
    ] = None,
) -> Point:
    """``theta_0 + sum_i w_i (theta_i - theta_0)``, bottleneck and invertible tensors alike.

    With weights that sum to 1 (in the paper lambda and 1 - lambda, lambda on the first language)
    theta_0 cancels and need not be known. Language adapters bring no task: prediction heads are
    left out. Weights may differ by part, as in ``indonesian: {default: .6, invertible: .2}``.

    Raises:
        ParameterError: The weights do not sum to 1, and ``initial`` is not given.
    """
    total = math.fsum(weights)
    deltas = [space.delta(x) for x in adapters]
    if initial is not None:
        return space.restore(space.lincomb([1 - total, *weights], [space.delta(initial), *deltas]))
    if abs(total - 1) > _ROUNDING:
        raise ParameterError(
            f"language_arithmetic: the weights {', '.join(f'{weight:g}' for weight in weights)} "
            f"sum to {total:g}; unless they sum to 1 the result depends on the adapter that "
            "training started from",
            hint="make them sum to 1 for every parameter, or give the role `initial`; plain sums "
            "are `linear`",
        )
    return space.restore(space.lincomb(weights, deltas))
