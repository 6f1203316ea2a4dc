"""The direction that a hypergradient is taken along."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["adam_diagonal", "cosine", "cosine_direction"]


def adam_diagonal(
    gradients: Sequence[torch.Tensor],
    optimizer: torch.optim.Optimizer,
    theta: Sequence[torch.Tensor],
) -> list[torch.Tensor]:
    """The factor P by which Adam scales each entry of a gradient, ``1 / (sqrt(v) + eps)``.

    ``v`` is the running mean of squares so far, corrected for its start (Kingma and Ba 2015,
    algorithm 1); at the first step the square of the gradient itself. Momentum is left out: it
    changes the derivative by a factor that is the same for all entries.

    Args:
        gradients: Of this step.
        optimizer: AdamW, whose state is read.
        theta: Its parameters.
    """
    settings = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    found = []
    for gradient, parameter in zip(gradients, theta, strict=True):
        group = settings[id(parameter)]
        state = optimizer.state.get(parameter, {})
        squares = gradient.detach() ** 2
        if state:
            squares = state["exp_avg_sq"] / (1 - group["betas"][1] ** float(state["step"]))
        found.append(1 / (squares.sqrt() + group["eps"]))
    return found


def cosine(a: Sequence[torch.Tensor], b: Sequence[torch.Tensor]) -> torch.Tensor:
    """Cosine of two vectors that lie in pieces; 0 if one is zero."""
    product = torch.stack([(x * y).sum() for x, y in zip(a, b, strict=True)]).sum()
    norms = _norm(a) * _norm(b)
    return torch.where(norms > 0, product / norms.clamp(min=torch.finfo(norms.dtype).tiny), 0.0)


def cosine_direction(
    gradients: Sequence[torch.Tensor], target: Sequence[torch.Tensor]
) -> list[torch.Tensor]:
    """Along which ``-grad_phi <g, w>`` is that of ``-cos(g, v)``: the cosine's derivative by g.

    ``w = v / (|g| |v|) - cos(g, v) g / |g|^2``. The plain inner product can be raised by making the
    source gradient longer; the cosine cannot.

    Args:
        gradients: The source gradient g.
        target: The target gradient v, scaled by Adam's factor if one is used.
    """
    g, v = _norm(gradients), _norm(target)
    if float(g) == 0.0 or float(v) == 0.0:
        return [torch.zeros_like(x) for x in gradients]
    angle = cosine(gradients, target)
    return [y / (g * v) - angle * x / g**2 for x, y in zip(gradients, target, strict=True)]


def _norm(pieces: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.stack([x.norm() for x in pieces]).norm()
