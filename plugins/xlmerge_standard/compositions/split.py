"""Adapters that share the positions of a text."""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - the signature is read
from typing import TYPE_CHECKING, Annotated, Any

from xlmerge.plugin import Child, Count, Weights, composition_rule
from xlmerge_standard.compositions.refusals import (
    refuse_invertible,
    refuse_nested,
    refuse_other_kinds,
    refuse_other_settings,
    refuse_peft,
)
from xlmerge_standard.compositions.sizes import sizes_of

if TYPE_CHECKING:
    from xlmerge.runtime import Composing


@composition_rule(
    kind="inside",
    in_recipes=False,
    summary="Each adapter on a stretch of the positions; the weights are the stretches' lengths.",
    source="Poth et al. 2023, arXiv 2311.11077 (Split)",
)
def split(
    live: Composing, *, children: Annotated[Sequence[Child], Count(2)], weights: Weights
) -> Any:
    """The first ``w_1`` positions run through the first adapter, the next ``w_2`` the second.

    Attention goes across all of them. Every input has to be as long as the weights together.

    Raises:
        CompositionError: The adapters are compositions, no bottlenecks, or invertible.
        DataError: An input has another length (while it runs).
        ParameterError: A weight is no whole number above 0.
    """
    from xlmerge_standard.compositions._modules.blocks import split_of
    from xlmerge_standard.compositions._modules.input_sizes import inputs_of_size

    refuse_peft("split", live, "PEFT has no such composition")
    refuse_nested("split", children, "split between single adapters")
    refuse_invertible("split", children, "run each language for itself")
    refuse_other_kinds("split", children, ("bottleneck",))
    refuse_other_settings("split", children)
    sizes = sizes_of("split", weights)
    live.hold(inputs_of_size(live.live.model, axis=1, size=sum(sizes), what="positions"))
    return split_of([child.block for child in children], sizes)
