"""Mean of what adapters put out."""

from __future__ import annotations

import math
from collections.abc import Sequence  # noqa: TC003 - the signature is read
from typing import TYPE_CHECKING, Annotated, Any

from xlmerge.errors import ParameterError
from xlmerge.plugin import Child, Count, Weights, composition_rule
from xlmerge_standard.compositions.refusals import (
    refuse_invertible,
    refuse_nested,
    refuse_other_kinds,
    refuse_other_settings,
    refuse_peft,
)

if TYPE_CHECKING:
    from xlmerge.runtime import Composing

_ROUNDING = 1e-9


@composition_rule(
    kind="inside",
    summary="Weighted mean of the hidden states that adapters put out, in every layer.",
    source="Wang et al. 2021, arXiv 2109.04877 (EMEA, there with learnt weights)",
)
def average(
    live: Composing,
    *,
    children: Annotated[Sequence[Child], Count(2)],
    weights: Weights = (),
) -> Any:
    """``h = sum_i w_i h_i`` with ``h_i`` the output of adapter ``i``.

    The weights are equal if none are given. The library's block divides by the number of adapters
    after it has normalised the weights; weights times that number undo it.

    Raises:
        CompositionError: The adapters are compositions, of several kinds, or invertible.
        ParameterError: The weights do not sum to 1: the residual would be scaled, too.
    """
    from xlmerge_standard.compositions._modules.blocks import sum_of
    from xlmerge_standard.compositions._modules.means import means_keep_dtype

    refuse_peft("average", live, "take `interpolate`, or `ensemble` for outputs")
    refuse_nested("average", children, "take `ensemble` to average the outputs of compositions")
    refuse_invertible("average", children, "take `interpolate` or `ensemble`")
    refuse_other_kinds("average", children, ("bottleneck", "lora", "ia3"))
    refuse_other_settings("average", children)
    count = len(children)
    weights = tuple(weights) or (1 / count,) * count
    if abs(math.fsum(weights) - 1) > _ROUNDING:
        raise ParameterError(
            f"`average`: the weights sum to {math.fsum(weights):g} instead of 1, which would scale "
            "the hidden states",
            hint="divide them by their sum",
        )
    live.hold(means_keep_dtype(live.live.model))
    return sum_of([child.block for child in children], weights)
