"""The model together with its loss: one module from a batch to a sum of losses."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from xlmerge.runtime.protocol import Batch

__all__ = ["Objective"]


class Objective(nn.Module):  # type: ignore[misc]
    """What the processes share: its forward pass gives a loss, so that they can join gradients.

    Args:
        model: The model.
        trained: Those of its parameters that are trained.
        loss: Sum of the losses of a batch, and of how many items it is the sum; gets the number
            of the data set, too.
        bf16: Whether the forward pass runs under autocast. Asking the library for it would leave
            a variable in the environment that turns it on in every later training.
    """

    def __init__(
        self,
        model: nn.Module,
        trained: Iterable[nn.Parameter],
        loss: Callable[[Batch, int], tuple[torch.Tensor, Any]],
        *,
        bf16: bool,
    ) -> None:
        super().__init__()
        self.model = model
        self._trained = tuple(trained)  # no list of parameters that torch would count again
        self._loss = loss
        self._bf16 = bf16

    def autocast(self) -> Any:
        """The precision of a forward pass, as a context."""
        if not self._bf16:
            return nullcontext()
        device = next(self.model.parameters()).device
        return torch.autocast(device.type, dtype=torch.bfloat16)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients; a walk through the whole model each step would cost a millisecond."""
        del set_to_none
        for parameter in self._trained:
            parameter.grad = None

    def forward(self, parts: Sequence[tuple[int, Batch]]) -> tuple[torch.Tensor, Any]:
        """Sum of losses, and of how many items, over the parts of a batch by data set."""
        with self.autocast():
            losses = [self._loss(batch, source) for source, batch in parts]
        return sum(loss for loss, _ in losses), sum(items for _, items in losses)
