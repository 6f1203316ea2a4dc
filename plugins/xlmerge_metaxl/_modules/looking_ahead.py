"""The whole hypergradient of one step, for any model in torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from xlmerge_metaxl._modules.hypergradient import double_backward

if TYPE_CHECKING:
    from collections.abc import Callable

    from xlmerge_metaxl._modules.hypergradient import Tensors

__all__ = ["one_step_hypergradient"]


def one_step_hypergradient(
    source: Callable[[Tensors, Tensors], torch.Tensor],
    evaluation: Callable[[Tensors], torch.Tensor],
    theta: Tensors,
    phi: Tensors,
    *,
    rate: float,
    training: Callable[[Tensors], torch.Tensor] | None = None,
    along: Callable[
        [Callable[[Tensors, Tensors], torch.Tensor], Tensors, Tensors, Tensors],
        dict[str, torch.Tensor],
    ] = double_backward,
) -> dict[str, torch.Tensor]:
    """Derivative of the target loss after one step by the networks' parameters, over the rate.

    ``dL_E(theta - rate grad_theta (L_S + L_Q)) / dphi = rate * (what is given)``: Xia et al. 2021,
    algorithm 1. Nothing that is passed in is changed.

    Args:
        source: ``L_S`` of ``theta`` and ``phi``, a scalar.
        evaluation: ``L_E`` of ``theta``.
        theta: Main parameters by name.
        phi: Parameters of the networks by name.
        rate: Of the step.
        training: ``L_Q`` of ``theta``; none if not given.
        along: How it is computed: :func:`.hypergradient.double_backward`, or
            :func:`.hypergradient.forward_over_reverse`.

    Returns:
        By the names of ``phi``.
    """
    main = {name: tensor.detach().requires_grad_() for name, tensor in theta.items()}
    networks = {name: tensor.detach().requires_grad_() for name, tensor in phi.items()}
    gradients = _gradients(source(main, networks), main)
    if training is not None:
        others = _gradients(training(main), main)
        gradients = {name: gradient + others[name] for name, gradient in gradients.items()}
    moved = {
        name: (tensor - rate * gradients[name]).detach().requires_grad_()
        for name, tensor in main.items()
    }
    direction = _gradients(evaluation(moved), moved)
    return along(source, main, networks, direction)


def _gradients(loss: torch.Tensor, by: Tensors) -> dict[str, torch.Tensor]:
    """Gradients without a graph; zeros where the loss does not depend on a tensor."""
    found = torch.autograd.grad(loss, list(by.values()), allow_unused=True)
    return {
        name: torch.zeros_like(tensor) if gradient is None else gradient.detach()
        for (name, tensor), gradient in zip(by.items(), found, strict=True)
    }
