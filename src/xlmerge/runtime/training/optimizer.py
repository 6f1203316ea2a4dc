"""The optimizer of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn

    from xlmerge.runtime.training.options import FitOptions
    from xlmerge.runtime.training.step import Group

__all__ = ["adamw"]


def adamw(
    parameters: Mapping[str, nn.Parameter], options: FitOptions, groups: Sequence[Group] = ()
) -> torch.optim.AdamW:
    """AdamW on what is trained; vectors (biases, scales) do not decay.

    Args:
        parameters: What is trained, by names in the model.
        options: Rate and decay of what is in no group.
        groups: Parameters with rates of their own.
    """
    apart = frozenset[str]().union(*(group.names for group in groups))
    others = [p for name, p in parameters.items() if name not in apart]
    found = [
        {"params": [p for p in others if p.ndim > 1], "weight_decay": options.weight_decay},
        {"params": [p for p in others if p.ndim <= 1], "weight_decay": 0.0},
    ]
    for group in groups:
        some = [p for name, p in parameters.items() if name in group.names]
        found.append(
            {"params": some, "lr": group.learning_rate, "weight_decay": group.weight_decay}
        )
    devices = {p.device.type for p in parameters.values()}
    return torch.optim.AdamW(found, lr=options.learning_rate, fused=devices <= {"cpu", "cuda"})
