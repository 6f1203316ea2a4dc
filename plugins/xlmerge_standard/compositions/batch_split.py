"""Adapters that share the rows of a batch."""

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
    summary="Each adapter on some rows of a batch; the weights are how many.",
    source="Poth et al. 2023, arXiv 2311.11077 (BatchSplit)",
)
def batch_split(
    live: Composing, *, children: Annotated[Sequence[Child], Count(2)], weights: Weights
) -> Any:
    """The first ``w_1`` rows run through the first adapter, the next ``w_2`` through the second.

    Every batch has to have as many rows as the weights together, in the order that is meant: for
    use from Python, where the caller makes the batches.

    Raises:
        CompositionError: The adapters are compositions, of several kinds, or invertible.
        DataError: A batch has another number of rows (while it runs).
        ParameterError: A weight is no whole number above 0.
    """
    from xlmerge_standard.compositions._modules.blocks import batch_split_of
    from xlmerge_standard.compositions._modules.input_sizes import inputs_of_size

    refuse_peft("batch_split", live, "run each adapter on its own rows")
    refuse_nested("batch_split", children, "run each composition on its own rows")
    refuse_invertible("batch_split", children, "run each language for itself")
    refuse_other_kinds("batch_split", children, ("bottleneck", "lora"))
    refuse_other_settings("batch_split", children)
    sizes = sizes_of("batch_split", weights)
    live.hold(inputs_of_size(live.live.model, axis=0, size=sum(sizes), what="rows"))
    return batch_split_of([child.block for child in children], sizes)
