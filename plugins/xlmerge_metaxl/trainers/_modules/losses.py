"""Losses of batches as functions of parameters."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from xlmerge_metaxl._modules.attaching import attached

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from xlmerge.runtime import Batch, Outputs, Training

__all__ = ["Losses", "Share"]


class Share:
    """How large what the networks add is beside the hidden states, over real tokens."""

    def __init__(self) -> None:
        self.sums: torch.Tensor | None = None
        self.mask: torch.Tensor | None = None

    def __call__(
        self, states: torch.Tensor, added: torch.Tensor, rows: torch.Tensor | None
    ) -> None:
        """Take in the states of some rows and what is added to them."""
        squares = torch.stack([added.detach() ** 2, states.detach() ** 2]).sum(-1)
        if self.mask is not None:
            mask = self.mask.reshape(-1, self.mask.shape[-1])
            squares = squares * (mask if rows is None else mask[rows])
        sums = squares.flatten(1).sum(1)
        self.sums = sums if self.sums is None else self.sums + sums


class Losses(nn.Module):  # type: ignore[misc]
    """The losses of a training.

    Args:
        work: The training.
        run: From a batch to the task's outputs.
        networks: Names of the networks of each source.
    """

    def __init__(
        self, work: Training, run: Callable[[Batch], Outputs], networks: Sequence[str]
    ) -> None:
        super().__init__()
        self.model = work.live.model
        self._work, self._run, self._networks = work, run, tuple(networks)
        self.share: Share | None = None

    def forward(self, batch: Batch, *, source: bool) -> tuple[torch.Tensor, Any]:
        """Sum of the losses of a batch, and of how many items it is the sum.

        Args:
            batch: Inputs.
            source: Whether they go through the networks of their sources.
        """
        share = self.share if source else None
        if share is not None:
            share.mask = batch.get("attention_mask")
        live, names = self._work.live, self._networks
        with attached(live, names, share) if source and names else nullcontext():
            outputs = self._run(batch)
        loss, items = self._work.task.loss(outputs, batch)
        return loss, items

    def at(
        self, parameters: Mapping[str, torch.Tensor], batch: Batch, *, source: bool
    ) -> tuple[torch.Tensor, Any]:
        """The same where some parameters of the model have other values, which are not written.

        Args:
            parameters: By names in the model.
            batch: Inputs.
            source: Whether they go through the networks of their sources.
        """
        found: tuple[torch.Tensor, Any] = torch.func.functional_call(
            self,
            {f"model.{name}": value for name, value in parameters.items()},
            (batch,),
            {"source": source},
            tie_weights=False,
        )
        return found
