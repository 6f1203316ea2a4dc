"""Mean of what whole models predict."""

from __future__ import annotations

import math
from collections.abc import Sequence  # noqa: TC003 - the signature is read
from typing import TYPE_CHECKING, Annotated, Any, Literal

from xlmerge.errors import ParameterError
from xlmerge.plugin import Child, Count, Weights, composition_rule

if TYPE_CHECKING:
    from collections.abc import Callable

_ROUNDING = 1e-9


@composition_rule(
    kind="around",
    summary="Weighted mean of the class probabilities of several compositions.",
    source="Lakshminarayanan et al. 2017, arXiv 1612.01474, section 2.4",
)
def ensemble(
    *,
    children: Annotated[Sequence[Child], Count(2)],
    weights: Weights = (),
    space: Annotated[
        Literal["probability", "logit"], "what is averaged: probabilities, or logits"
    ] = "probability",
) -> Callable[[Any], Any]:
    """``log sum_i w_i softmax(z_i)``, or ``sum_i w_i z_i`` in the space of logits.

    Equal weights if none are given. Logarithms of probabilities are logits again: a softmax gives
    the mean itself. Each child runs with its own adapters and head, one after the other.

    Raises:
        ParameterError: A weight is negative, or they do not sum to 1.
    """
    weights = tuple(weights) or (1 / len(children),) * len(children)
    if min(weights) < 0 or abs(math.fsum(weights) - 1) > _ROUNDING:
        raise ParameterError(
            "`ensemble`: weights are shares, at least 0 each and 1 together; found "
            f"{', '.join(f'{w:g}' for w in weights)}",
            hint="divide them by their sum",
        )

    def forward(batch: Any) -> Any:
        from xlmerge_standard.compositions._modules.mixtures import mixture

        # A child without weight is not run: minus infinity times 0 is no number.
        used = [(w, child) for w, child in zip(weights, children, strict=True) if w > 0]
        return mixture([child(batch) for _, child in used], [w for w, _ in used], space)

    return forward
