"""One adapter on the other."""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - the signature is read
from typing import TYPE_CHECKING, Annotated, Any

from xlmerge.errors import CompositionError
from xlmerge.plugin import Child, Count, composition_rule
from xlmerge_standard.compositions.refusals import refuse_peft

if TYPE_CHECKING:
    from xlmerge.runtime import Composing


@composition_rule(
    kind="inside",
    summary="One adapter on the other: each works on what the one before it puts out.",
    source="Pfeiffer et al. 2020, arXiv 2005.00052; as the adapters library computes it",
)
def stack(live: Composing, *, children: Annotated[Sequence[Child], Count(2)]) -> Any:
    """``h_i = up_i(act(down_i(LN(h_{i-1} + x)))) + h_{i-1}``, then ``LN(h_n + x)``.

    With ``h_0`` the output of the frozen sub-layer, ``x`` its input, and ``LN`` its layer norm. The
    paper has ``h_0`` as the residual of all; the library's is the one that published adapters were
    trained with. An invertible adapter belongs to the first one. Changes to weights (LoRA, (IA)³,
    full fine-tuning) are there at any place in the stack.

    Raises:
        CompositionError: An invertible adapter is not the first, where the library drops it; or two
            of the same kind other than bottlenecks, which the library multiplies or joins.
    """
    refuse_peft("stack", live, "take `add`: PEFT's adapters are sums of changes to the weights")
    for child in children[1:]:
        if child.invertible:
            raise CompositionError(
                f"`stack`: {child.invertible[0].label} has an invertible adapter, which has an "
                "effect only on the first of a stack",
                hint="put the language adapter first, the task adapter last",
            )
    kinds = [kind for child in children for kind in child.kinds if kind != "bottleneck"]
    for kind in sorted(set(kinds)):
        if kinds.count(kind) > 1:
            weights = kind in {"lora", "dora", "ia3", "full"}
            what = "the adapters library joins in a way of its own"
            if weights:
                what = "the adapters library multiplies"
            if kind == "full":
                what = "are changes to the same weights and would add up"
            raise CompositionError(
                f"`stack` has {kinds.count(kind)} adapters of the kind {kind}, which {what} "
                "instead of running one on the other",
                hint="take `add`, which sums their changes to the weights" if weights else None,
            )
    from xlmerge_standard.compositions._modules.blocks import stack_of

    return stack_of([child.block for child in children])
