"""The affine coupling as a module in the place of the library's NICE coupling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.methods.modeling import get_subnet_constructor
from torch import nn

from .coupling import affine_forward, affine_inverse

if TYPE_CHECKING:
    import torch

__all__ = ["AffineCoupling"]


class AffineCoupling(nn.Module):  # type: ignore[misc]  # torch is Any here
    """An affine coupling of the two halves of an embedding.

    Each of the four networks is built as the library builds those of NICE: a linear map, the
    activation, a linear map back.

    Args:
        width: Of the embedding, at least 2.
        non_linearity: The adapter's activation, by the library's name.
        reduction_factor: Width of a half over that of the layer inside a network.
    """

    def __init__(self, width: int, non_linearity: str, reduction_factor: float) -> None:
        super().__init__()
        network = get_subnet_constructor(non_linearity, reduction_factor)
        first = width // 2
        second = width - first
        self.S1 = network(second, first)
        self.T1 = network(second, first)
        self.S2 = network(first, second)
        self.T2 = network(first, second)

    def forward(self, x: torch.Tensor, *, rev: bool = False) -> torch.Tensor:
        """The coupling, or with ``rev`` its inverse.

        Args:
            x: ``[..., width]``.
            rev: As the library's couplings call it.

        Returns:
            ``[..., width]``.
        """
        coupling = affine_inverse if rev else affine_forward
        return coupling((self.S1, self.S2), (self.T1, self.T2), x)
