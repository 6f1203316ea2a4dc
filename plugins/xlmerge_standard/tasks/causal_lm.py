"""Language modelling from left to right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from xlmerge.plugin import AtLeast, task

if TYPE_CHECKING:
    from xlmerge.runtime.protocol import TaskLogic


@task(
    summary="Guess each token of a text from those before it.",
    source="Radford et al. 2019, GPT-2",
    columns={"text": "the text"},
    metric="perplexity",
    losses=("perplexity", "nll"),
    auto_class="AutoModelForCausalLM",
)
def causal_lm(
    *,
    max_length: Annotated[int, AtLeast(8), "length of an input in tokens"] = 128,
) -> TaskLogic:
    """Scores: ``perplexity``, ``accuracy`` (0 to 100), ``nll`` (nats a token).

    For training, texts are joined and cut into inputs of ``max_length`` tokens. In evaluations each
    row stands alone; a long one is read in windows that share nothing. The first token of an input
    is not asked for.

    A model that reads in both directions, as XLM-R does, would see what it has to guess and is
    refused.
    """
    from xlmerge_standard.tasks._modules.causal_language import CausalLanguageModelling

    return CausalLanguageModelling(max_length=max_length)
