"""Several adapters on copies of the same input."""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - the signature is read
from typing import TYPE_CHECKING, Annotated, Any

from xlmerge.plugin import Child, Count, composition_rule
from xlmerge_standard.compositions.refusals import (
    refuse_invertible,
    refuse_nested,
    refuse_other_kinds,
    refuse_other_settings,
    refuse_peft,
)

if TYPE_CHECKING:
    from xlmerge.runtime import Composing


@composition_rule(
    kind="inside",
    in_recipes=False,
    summary="Several adapters on copies of the same input, in one pass; for use from Python.",
    source="Rücklé et al. 2021, arXiv 2010.11918 (AdapterDrop), section 3",
)
def parallel(live: Composing, *, children: Annotated[Sequence[Child], Count(2)]) -> Any:
    """Channel ``i`` of the output is what the model gives with adapter ``i`` alone.

    A row becomes as many rows as there are adapters, those of the first adapter first. Each channel
    runs with the head that its adapter brings, or all with one. A score has one output for a row,
    so an evaluation refuses this.

    Raises:
        CompositionError: The adapters are compositions, no bottlenecks, or invertible.
    """
    refuse_peft("parallel", live, "run them one after the other")
    refuse_nested("parallel", children, "run them one after the other, or take `ensemble`")
    refuse_invertible("parallel", children, "run them one after the other, or take `ensemble`")
    refuse_other_kinds("parallel", children, ("bottleneck",))  # it multiplies LoRA's rows twice
    refuse_other_settings("parallel", children)
    from xlmerge_standard.compositions._modules.blocks import parallel_of

    return parallel_of([child.block for child in children])
