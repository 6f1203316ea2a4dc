"""A step as the released code of MetaXL makes it, on a live model of ours.

Written after the functions ``step_*`` of ``mlt.py`` in microsoft/MetaXL, and no line shared with
it: the gradient of source and target loss together keeps its graph, parameters are moved through
``.data`` and moved back, the product of the gradients is differentiated by everything, and then
both losses are computed once more for the main parameters. The forward pass is ours, with
positions and tokens that XLM-R knows; so only the steps differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

__all__ = ["ReleasedStep"]

CLIP = 10.0


class ReleasedStep:
    """One step.

    Args:
        loss: Mean loss of a batch; the flag says whether its rows go through the networks.
        theta: Main parameters.
        phi: Parameters of the networks.
        rate: Learning rate of the main parameters.
        meta_rate: That of the networks.
    """

    def __init__(
        self,
        loss: Callable[[Any, bool], torch.Tensor],
        theta: Sequence[torch.nn.Parameter],
        phi: Sequence[torch.nn.Parameter],
        *,
        rate: float,
        meta_rate: float,
    ) -> None:
        self._loss, self._theta, self._phi, self._rate = loss, list(theta), list(phi), rate
        settings = {"weight_decay": 5e-4, "fused": True}
        self._main = torch.optim.Adam(self._theta, lr=rate, **settings)
        self._meta = torch.optim.Adam(self._phi, lr=meta_rate, **settings)

    def __call__(self, batches: Mapping[str, Sequence[Any]]) -> None:
        """Update networks, then main parameters."""
        gradients = torch.autograd.grad(
            self._training(batches), self._theta, create_graph=True, allow_unused=True
        )
        before = [p.data.clone() for p in self._theta]
        for p, gradient in zip(self._theta, gradients, strict=True):
            if gradient is not None:
                p.data.sub_(self._rate * gradient.data)
        evaluation = self._loss(batches["meta"][0], False)
        after = torch.autograd.grad(evaluation, self._theta, allow_unused=True)
        for p, held in zip(self._theta, before, strict=True):
            p.data = held
        pairs = zip(gradients, after, strict=True)
        products = [(g * v).sum() for g, v in pairs if g is not None and v is not None]
        self._meta.zero_grad()
        (-self._rate * torch.stack(products).sum()).backward()
        self._meta.step()
        del gradients, products, pairs, after, evaluation, before
        self._main.zero_grad()
        self._training(batches).backward()
        torch.nn.utils.clip_grad_norm_(self._theta, CLIP)
        self._main.step()
        self._main.zero_grad()
        self._meta.zero_grad()

    def _training(self, batches: Mapping[str, Sequence[Any]]) -> torch.Tensor:
        return self._loss(batches["source"][0], True) + self._loss(batches["target"][0], False)
