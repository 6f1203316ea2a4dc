"""The hypergradient of one step: what a change of the networks does to the target loss.

With source loss ``L_S(theta, phi)``, target loss ``L_Q(theta)`` for training and ``L_E(theta)`` for
evaluation (Xia et al. 2021, algorithm 1)::

    theta' = theta - eta P (grad_theta L_S + grad_theta L_Q)
    v      = grad L_E (theta')
    dL_E(theta') / dphi = -eta grad_phi < grad_theta L_S (theta, phi), P v >

``phi`` occurs in ``L_E(theta')`` through ``theta'`` alone, so this is the whole derivative. All
functions here give it without the factor eta: ``-grad_phi < grad_theta L_S, w >`` along a constant
direction ``w``, of which :mod:`.direction` makes ``P v`` or that of the cosine.

Tensors stand in mappings by name. Losses are pure functions of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import torch

from xlmerge_metaxl._modules.stopping import open_again

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Tensors: TypeAlias = Mapping[str, torch.Tensor]

__all__ = [
    "contract",
    "difference",
    "double_backward",
    "forward_over_reverse",
    "split",
    "step_size",
]


def double_backward(
    loss: Callable[[Tensors, Tensors], torch.Tensor],
    theta: Tensors,
    phi: Tensors,
    direction: Tensors,
) -> dict[str, torch.Tensor]:
    """Reverse over reverse, for ``phi`` only. Exact; keeps the graph of the whole model.

    Args:
        loss: Source loss of ``theta`` and ``phi``, a scalar.
        theta: Main parameters.
        phi: Parameters of the networks.
        direction: ``w``, by the names of ``theta``.

    Returns:
        ``-grad_phi < grad_theta L_S, w >`` by the names of ``phi``.
    """
    theta, phi = _leaves(theta), _leaves(phi)
    gradients = torch.autograd.grad(
        loss(theta, phi), list(theta.values()), create_graph=True, allow_unused=True
    )
    directions = [direction[name] for name in theta]
    return dict(zip(phi, contract(gradients, directions, list(phi.values())), strict=True))


def contract(
    gradients: Sequence[torch.Tensor | None],
    direction: Sequence[torch.Tensor],
    phi: Sequence[torch.Tensor],
) -> list[torch.Tensor]:
    """The second half of :func:`double_backward`, from gradients that carry their graph.

    Args:
        gradients: ``grad_theta L_S``; None where a parameter takes no part.
        direction: ``w``.
        phi: Parameters of the networks.
    """
    terms = [
        (gradient * along).sum()
        for gradient, along in zip(gradients, direction, strict=True)
        if gradient is not None and gradient.requires_grad
    ]
    if not terms:  # no row went through a network
        return [torch.zeros_like(p) for p in phi]
    with open_again():
        found = torch.autograd.grad(torch.stack(terms).sum(), list(phi), allow_unused=True)
    return [torch.zeros_like(p) if g is None else -g for p, g in zip(phi, found, strict=True)]


def forward_over_reverse(
    loss: Callable[[Tensors, Tensors], torch.Tensor],
    theta: Tensors,
    phi: Tensors,
    direction: Tensors,
) -> dict[str, torch.Tensor]:
    """Forward mode over reverse mode: no graph of the layers below the networks is kept. Exact.

    The other order, reverse over forward, is silently wrong through ``layer_norm`` in torch 2.13.

    Args:
        loss: As for :func:`double_backward`; without in-place writes to what carries tangents.
        theta: Main parameters.
        phi: Parameters of the networks.
        direction: ``w``.
    """

    def gradient(main: Tensors) -> dict[str, torch.Tensor]:
        found: dict[str, torch.Tensor] = torch.func.grad(lambda p: loss(main, p))(networks)
        return found

    networks = {name: tensor.detach() for name, tensor in phi.items()}
    main = {name: tensor.detach() for name, tensor in theta.items()}
    along = {name: direction[name] for name in main}
    _, tangents = torch.func.jvp(gradient, (main,), (along,))
    return {name: -tangents[name] for name in phi}


def split(
    top: Callable[[torch.Tensor], torch.Tensor],
    states: torch.Tensor,
    states_along: torch.Tensor,
    theta: Sequence[torch.Tensor],
    direction: Sequence[torch.Tensor],
    phi: Sequence[torch.Tensor],
) -> list[torch.Tensor]:
    """Double backward through the top of the model only, where nothing below depends on ``phi``.

    ``< grad_theta L_S, w > = < dL/dh, dh/dtheta w > + < dL/dtheta_top, w_top >`` with the hidden
    states h at the lowest network.

    Args:
        top: Source loss of the hidden states below the lowest network, a scalar.
        states: Those states.
        states_along: Their derivative along the direction.
        theta: Main parameters.
        direction: ``w``.
        phi: Parameters of the networks.
    """
    leaf = states.detach().requires_grad_()
    gradients = torch.autograd.grad(top(leaf), [leaf, *theta], create_graph=True, allow_unused=True)
    return contract(gradients, [states_along, *direction], phi)


def difference(
    bottom: Callable[[Tensors], torch.Tensor],
    theta: Tensors,
    direction: Tensors,
    size: float,
) -> torch.Tensor:
    """Derivative of hidden states along a direction, by a central difference without gradients.

    Args:
        bottom: Hidden states as a function of the main parameters. Draws alike each time.
        theta: Main parameters.
        direction: ``w``.
        size: Norm of the change of the parameters to either side.
    """
    norm = float(torch.stack([w.norm() for w in direction.values()]).norm())
    if norm == 0.0:
        with torch.no_grad():
            return torch.zeros_like(bottom(theta))
    with torch.no_grad():
        moved = [
            bottom({n: t + sign * size / norm * direction[n] for n, t in theta.items()})
            for sign in (1, -1)
        ]
        return (moved[0] - moved[1]) * (norm / (2 * size))


def step_size(dtype: torch.dtype) -> float:
    """Norm of a change at which rounding and curvature weigh alike: the cube root of epsilon."""
    return float(torch.finfo(dtype).eps ** (1 / 3))


def _leaves(tensors: Tensors) -> dict[str, torch.Tensor]:
    """The tensors to differentiate by: themselves if they are, else fresh ones."""
    return {n: t if t.requires_grad else t.detach().requires_grad_() for n, t in tensors.items()}
