"""Between lists and tensors: padding, what a model takes, losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers.data.data_collator import pad_without_fast_tokenizer_warning

from xlmerge.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xlmerge.runtime.protocol import Batch, Features, Outputs

__all__ = [
    "FLOOR",
    "IGNORED",
    "aligned",
    "at_least_float32",
    "by_input",
    "cross_entropy",
    "finite",
    "inputs_of",
    "model_inputs",
    "padded",
]

IGNORED = -100
"""The label of what does not count in a loss."""

FLOOR = -1e4
"""A logit of no probability: in float16 and bfloat16 a number still, which infinity is not."""

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def inputs_of(encoding: Any, at: int) -> dict[str, Any]:
    """What a model takes of one entry of a tokenizer's output."""
    return {name: encoding[name][at] for name in _INPUTS if name in encoding}


def model_inputs(batch: Batch) -> Batch:
    """What a model takes of a batch."""
    return {name: batch[name] for name in _INPUTS if name in batch}


def padded(features: Sequence[Features], tokenizer: Any) -> Batch:
    """Inputs padded to the longest.

    Raises:
        ModelError: The tokenizer has nothing to pad with.
    """
    if tokenizer.pad_token is None:
        raise ModelError(
            "the tokenizer of the base model has no padding token, so that texts of different "
            "lengths make no batch",
            hint="set `pad_token` in its tokenizer_config.json",
        )
    inputs = {
        name: [np.asarray(feature[name]).tolist() for feature in features]
        for name in _INPUTS
        if name in features[0]
    }
    return dict(pad_without_fast_tokenizer_warning(tokenizer, inputs, return_tensors="pt"))


def aligned(lists: Sequence[Sequence[Any]], width: int, fill: Any, tokenizer: Any) -> torch.Tensor:
    """Lists as long as their inputs, padded on the side that the tokenizer pads.

    Returns:
        ``[lists, width]``
    """
    left = tokenizer.padding_side == "left"
    filled = []
    for values in lists:
        padding = [fill] * (width - len(values))
        filled.append([*padding, *values] if left else [*values, *padding])
    return torch.tensor(filled)


def by_input(outputs: Outputs, mask: torch.Tensor | None = None) -> list[dict[str, np.ndarray]]:
    """Outputs of a batch as arrays of float32, one mapping for each input.

    Args:
        outputs: Each ``[batch, ...]``.
        mask: ``[batch, tokens]``, 0 at padding: what lies there is cut off the second axis.
    """
    arrays = {name: values.detach().float().cpu().numpy() for name, values in outputs.items()}
    kept = None if mask is None else mask.bool().cpu().numpy()
    count = len(next(iter(arrays.values())))
    return [
        {
            name: values[at] if kept is None else values[at][kept[at]]
            for name, values in arrays.items()
        }
        for at in range(count)
    ]


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Sum of the losses over all labels but ``IGNORED``, at least in float32, and their number.

    Args:
        logits: ``[..., classes]``
        labels: ``[...]``
    """
    total = torch.nn.functional.cross_entropy(
        at_least_float32(logits).flatten(0, -2),
        labels.flatten(),
        ignore_index=IGNORED,
        reduction="sum",
    )
    return total, int((labels != IGNORED).sum())


def at_least_float32(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor; in float32 if it is of half precision."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def finite(logits: np.ndarray, feature: Features) -> np.ndarray:
    """The same logits as float64.

    Raises:
        ModelError: One is infinite or not a number, so that no class is the likeliest.
    """
    if not np.isfinite(logits).all():
        raise ModelError(
            f"row {feature['row'] + 1}: the model's output is not finite",
            hint="an adapter or a head with such numbers, or a precision that overflows",
        )
    return np.asarray(logits, dtype=np.float64)
