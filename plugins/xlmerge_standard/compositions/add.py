"""Sum of changes to the weights."""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - the signature is read
from typing import TYPE_CHECKING, Annotated, Any

from xlmerge.errors import ParameterError
from xlmerge.plugin import Child, Count, Weights, composition_rule
from xlmerge_standard.compositions.refusals import refuse_nested, refuse_other_kinds

if TYPE_CHECKING:
    from xlmerge.runtime import Composing


@composition_rule(
    kind="inside",
    summary="All changes to the weights at once: LoRA's deltas add up, (IA)³'s vectors multiply.",
    source="Hu et al. 2022, arXiv 2106.09685; Liu et al. 2022, arXiv 2205.05638; Zhao et al. 2025, "
    "arXiv 2402.18913 (AdaMergeX)",
)
def add(
    live: Composing,
    *,
    children: Annotated[Sequence[Child], Count(2)],
    weights: Weights = (),
) -> Any:
    """LoRA: ``W + sum_i w_i B_i A_i alpha_i / r_i``. (IA)³: ``(l_1 * l_2 * ...) * W``.

    Full fine-tuning: ``W + sum_i (theta_i - W)``.

    Nothing is truncated or normalised. The adapters library stacks LoRA as a product
    ``B_2 A_2 B_1 A_1``; its mean with a weight of the number of adapters each is the sum.

    Raises:
        CompositionError: The adapters are compositions, or not all of one of these kinds.
        ParameterError: There are weights for another kind than LoRA, or for PEFT's adapters.
    """
    from xlmerge_standard.compositions._modules.means import means_keep_dtype

    refuse_nested("add", children, "give all adapters to one `add`")
    refuse_other_kinds("add", children, ("lora", "ia3", "full"))
    [kind] = children[0].kinds
    if weights and (kind != "lora" or live.library == "peft"):
        kinds = {"ia3": "vectors that multiply", "full": "fine-tuned base models"}
        what = kinds.get(kind, "adapters of PEFT")
        raise ParameterError(
            f"`add` takes no weights for {what}", hint="take `interpolate` for a weighted sum"
        )
    if live.library == "peft":
        return tuple(name for child in children for name in child.block)

    from xlmerge_standard.compositions._modules.blocks import stack_of, sum_of

    names = [child.block for child in children]
    if kind != "lora":
        return stack_of(names)
    live.hold(means_keep_dtype(live.live.model))
    return sum_of(names, weights or (1.0,) * len(names))
