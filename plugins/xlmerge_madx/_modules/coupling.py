"""Couplings of the two halves of an embedding, and their inverses.

A coupling changes one half by a function of the other, and then the other by a function of the
changed one. It inverts exactly whatever these functions are, since each is computed again from
what it was computed from. Tensors are ``[..., h]``; the halves are ``h // 2`` and the rest wide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "affine_forward",
    "affine_inverse",
    "bounded",
    "halves",
    "nice_forward",
    "nice_inverse",
]

Network: TypeAlias = "Callable[[torch.Tensor], torch.Tensor]"
"""From one half ``[..., m]`` to the width of the other ``[..., n]``."""


def halves(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Split the last axis at the middle; the smaller half comes first where it is odd."""
    middle = x.shape[-1] // 2
    return x[..., :middle], x[..., middle:]


def nice_forward(first: Network, second: Network, x: torch.Tensor) -> torch.Tensor:
    """``o1 = e1 + F(e2)``, ``o2 = e2 + G(o1)`` (Pfeiffer et al. 2020, equation 1).

    Args:
        first: F.
        second: G.
        x: ``[..., h]``.

    Returns:
        ``[..., h]``.
    """
    e1, e2 = halves(x)
    o1 = e1 + first(e2)
    return torch.cat((o1, e2 + second(o1)), -1)


def nice_inverse(first: Network, second: Network, x: torch.Tensor) -> torch.Tensor:
    """``e2 = o2 - G(o1)``, ``e1 = o1 - F(e2)``; arguments as for :func:`nice_forward`."""
    o1, o2 = halves(x)
    e2 = o2 - second(o1)
    return torch.cat((o1 - first(e2), e2), -1)


def bounded(x: torch.Tensor) -> torch.Tensor:
    """Logarithm of a scale, in (-1, 1): no entry is scaled by more than e, or by less than 1/e.

    So the inverse loses no more than a digit or two to rounding, whatever weights a merge gives.
    """
    return torch.tanh(x)


def affine_forward(
    scales: tuple[Network, Network], shifts: tuple[Network, Network], x: torch.Tensor
) -> torch.Tensor:
    """``o1 = e1 * exp(s(S1(e2))) + T1(e2)``, ``o2 = e2 * exp(s(S2(o1))) + T2(o1)``.

    Dinh et al. 2017, equation 4, with s bounded by :func:`bounded`, once for each half.

    Args:
        scales: S1 and S2.
        shifts: T1 and T2.
        x: ``[..., h]``.

    Returns:
        ``[..., h]``.
    """
    e1, e2 = halves(x)
    o1 = e1 * torch.exp(bounded(scales[0](e2))) + shifts[0](e2)
    o2 = e2 * torch.exp(bounded(scales[1](o1))) + shifts[1](o1)
    return torch.cat((o1, o2), -1)


def affine_inverse(
    scales: tuple[Network, Network], shifts: tuple[Network, Network], x: torch.Tensor
) -> torch.Tensor:
    """The inverse of :func:`affine_forward`, with the same arguments."""
    o1, o2 = halves(x)
    e2 = (o2 - shifts[1](o1)) * torch.exp(-bounded(scales[1](o1)))
    e1 = (o1 - shifts[0](e2)) * torch.exp(-bounded(scales[0](e2)))
    return torch.cat((e1, e2), -1)
