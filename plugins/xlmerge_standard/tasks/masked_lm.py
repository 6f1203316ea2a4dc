"""Masked language modelling, what language adapters are trained by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from xlmerge.plugin import AtLeast, Between, task

if TYPE_CHECKING:
    from xlmerge.runtime.protocol import TaskLogic


@task(
    summary="Guess tokens that were masked in a text.",
    source="Devlin et al. 2019, arXiv 1810.04805; as trained in Pfeiffer et al. 2020 (MAD-X)",
    columns={"text": "the text"},
    metric="perplexity",
    losses=("perplexity", "nll"),
    auto_class="AutoModelForMaskedLM",
)
def masked_lm(
    *,
    max_length: Annotated[int, AtLeast(8), "length of an input in tokens"] = 128,
    mask_probability: Annotated[
        float, Between(0, 1, open_low=True), "probability that a token has to be guessed"
    ] = 0.15,
    packing: Annotated[bool, "for training, join texts; else each is an input of its own"] = True,
    seed: Annotated[int, AtLeast(0), "which tokens are masked in evaluations"] = 0,
) -> TaskLogic:
    """Scores: ``perplexity``, ``masked_accuracy`` (0 to 100), ``nll`` (nats a masked token).

    For training, texts are joined and cut into inputs of ``max_length`` tokens, unless ``packing``
    is off. In evaluations each row stands alone, a long one in several windows, and its masks
    depend on ``seed`` and its number only: all models are asked for the same tokens. Of the chosen
    tokens 80 % become the mask, 10 % a random token, 10 % stay; special tokens are never chosen.

    Logits are computed where a token has to be guessed and nowhere else, through the inverse of an
    invertible adapter, which equals the whole of the adapters library's ``masked_lm`` head there.
    """
    from xlmerge_standard.tasks._modules.masked_language import MaskedLanguageModelling

    return MaskedLanguageModelling(
        max_length=max_length, mask_probability=mask_probability, packing=packing, seed=seed
    )
