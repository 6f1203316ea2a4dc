"""Outputs of several models as one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from xlmerge.errors import CompositionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["mixture"]


def mixture(
    outputs: Sequence[Mapping[str, torch.Tensor]], weights: Sequence[float], space: str
) -> dict[str, torch.Tensor]:
    """Weighted mean of outputs, in at least single precision.

    Args:
        outputs: Logits by name for each model, all of the same shapes; the softmax is over the last
            axis.
        weights: One for each model, above 0, 1 together.
        space: ``probability`` or ``logit``.

    Returns:
        Logits of the mean by name, of the same shapes.

    Raises:
        CompositionError: The models give different outputs.
    """
    first = outputs[0]
    for other in outputs[1:]:
        if {k: v.shape for k, v in other.items()} != {k: v.shape for k, v in first.items()}:
            raise CompositionError(
                f"the compositions of an ensemble give different outputs: {_shapes(first)}, and "
                f"{_shapes(other)}",
                hint="their heads have to be for the same classes",
            )
    return {
        name: _mean([each[name] for each in outputs], weights, space == "probability")
        for name in first
    }


def _mean(
    logits: Sequence[torch.Tensor], weights: Sequence[float], probabilities: bool
) -> torch.Tensor:
    precise = [each.to(torch.promote_types(each.dtype, torch.float32)) for each in logits]
    if not probabilities:
        return torch.stack([w * z for w, z in zip(weights, precise, strict=True)]).sum(dim=0)
    terms = [
        math.log(w) + torch.log_softmax(z, dim=-1) for w, z in zip(weights, precise, strict=True)
    ]
    return torch.logsumexp(torch.stack(terms), dim=0)


def _shapes(outputs: Mapping[str, torch.Tensor]) -> str:
    return ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in outputs.items())
