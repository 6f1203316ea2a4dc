"""A head that the adapters library lacks: a linear layer on the mean of the hidden states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters.heads import PredictionHead
from transformers.modeling_outputs import SequenceClassifierOutput

from xlmerge_standard.tasks._modules.tensors import at_least_float32

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

__all__ = ["MEAN_HEAD", "MeanClassificationHead", "mean_over_tokens"]

MEAN_HEAD = "xlmerge_mean_classification"
"""Its ``head_type`` in ``head_config.json``, and what a model has to know it by."""


def mean_over_tokens(hidden: torch.Tensor, attention_mask: torch.Tensor | None) -> torch.Tensor:
    """Mean over all tokens but padding, summed at least in float32.

    Args:
        hidden: ``[batch, tokens, width]``
        attention_mask: ``[batch, tokens]``, 0 at padding; None without padding.

    Returns:
        ``[batch, width]``, of the type of ``hidden``.
    """
    summed = at_least_float32(hidden)
    if attention_mask is None:
        return summed.mean(1).to(hidden.dtype)
    kept = attention_mask.unsqueeze(-1).to(summed.dtype)
    return ((summed * kept).sum(1) / kept.sum(1).clamp(min=1)).to(hidden.dtype)


class MeanClassificationHead(PredictionHead):  # type: ignore[misc]  # adapters has no types
    """One linear layer on the mean of the last hidden states; a flexible head.

    ``model.register_custom_head(MEAN_HEAD, MeanClassificationHead)`` makes a model of the adapters
    library load it.
    """

    def __init__(
        self,
        model: Any,
        head_name: str,
        num_labels: int = 2,
        id2label: Mapping[int, str] | None = None,
        dropout_prob: float | None = None,
    ) -> None:
        super().__init__(head_name)
        names = None if id2label is None else {name: int(at) for at, name in id2label.items()}
        self.config = {
            "head_type": MEAN_HEAD,
            "num_labels": num_labels,
            "layers": 1,  # read by `build`
            "label2id": names,
            "dropout_prob": dropout_prob,
        }
        self.build(model)
        del self.config["layers"]

    def forward(
        self,
        outputs: Any,
        cls_output: torch.Tensor | None = None,  # noqa: ARG002  # the library's signature
        attention_mask: torch.Tensor | None = None,
        return_dict: bool = False,
        **_kwargs: Any,
    ) -> Any:
        """Logits ``[batch, labels]`` of what the base model gave out."""
        logits = super().forward(mean_over_tokens(outputs[0], attention_mask))
        if not return_dict:
            return (logits, *outputs[1:])
        return SequenceClassifierOutput(
            logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )
