"""One adapter whose weights lie between those of others."""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - the signature is read
from typing import TYPE_CHECKING, Annotated, Any

from xlmerge.plugin import Child, Count, Weights, composition_rule

if TYPE_CHECKING:
    from xlmerge.runtime import Composing


@composition_rule(
    kind="inside",
    summary="One adapter whose weights are a weighted sum of those of others.",
    source="Klimaszewski et al. 2025, arXiv 2404.15737 (Language Arithmetic); "
    "Wortsman et al. 2022, arXiv 2203.05482",
)
def interpolate(
    live: Composing, *, children: Annotated[Sequence[Child], Count(1)], weights: Weights
) -> Any:
    """``theta = sum_i w_i theta_i``, invertible adapters included, as merged by ``linear``.

    The sum of the weights is the user's: 1 for a point between the adapters, anything else for
    arithmetic with them (``linear`` sums what adapters add to the model, so that LoRA is exact).
    Prediction heads are not summed; the head is that of the one adapter that brings one.

    Raises:
        CompositionError: A child is a composition.
        RecipeError: The adapters do not fit together.
    """
    return live.interpolate(children, weights)
