"""Language arithmetic: a language between languages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

from xlmerge.errors import ParameterError
from xlmerge.plugin import Point, Weights, merge_method

_TOLERANCE = 1e-6  # weights are typed by people: .33, .33, .34


@merge_method(
    summary="Weighted language vectors: an adapter for a language out of those of other languages.",
    source="Klimaszewski et al. 2025, arXiv 2404.15737, section 3",
    symmetric=True,
    heads="drop",
)
def language_arithmetic(
    space: Any,
    *,
    adapters: Sequence[Point],
    weights: Weights,
    initial: Annotated[Point | None, "adapter that the languages' training started from (theta_0)"] = None,
) -> Point:
    """``theta_0 + sum_i w_i (theta_i - theta_0)``, bottleneck and invertible tensors alike.

    With weights that sum to 1 (the paper: lambda and 1 - lambda) theta_0 cancels and need not be known. Language
    adapters bring no task: prediction heads are left out.

    Raises:
        ParameterError: The weights do not sum to 1, and ``initial`` is not given.
    """
    total = math.fsum(weights)
    deltas = [space.delta(x) for x in adapters]
    if initial is None:
        if abs(total - 1) > _TOLERANCE:
            raise ParameterError(
                f"language arithmetic: the weights sum to {total:g}; unless they sum to 1, the initial adapter matters",
                hint="make them sum to 1, or give the adapter that training started from as role `initial`",
            )
        return space.restore(space.lincomb(weights, deltas))
    return space.restore(space.lincomb([1 - total, *weights], [space.delta(initial), *deltas]))
