"""A gradient that is stopped once, and not the second time.

The input of a network is a constant where the source gradient is taken. Above another network its
value still depends on that network's parameters, and so the source gradient does: for the
hypergradient the way is open. `detach` would close it for both, and the hypergradient of several
networks on top of each other would be wrong by tens of percent.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["open_again", "stopped"]


class _Stop(torch.autograd.Function):  # type: ignore[misc]
    """The identity, whose gradient passes only while it is open."""

    # No context variable: on an accelerator torch goes backwards in threads of its own.
    is_open = False

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor) -> torch.Tensor:
        del ctx
        return states.view_as(states)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor | None:
        del ctx
        return gradient if _Stop.is_open else None


def stopped(states: torch.Tensor) -> torch.Tensor:
    """The same values; gradients pass only within :func:`open_again`."""
    found: torch.Tensor = _Stop.apply(states)
    return found


@contextmanager
def open_again() -> Iterator[None]:
    """Let gradients through while the source gradient itself is differentiated."""
    before, _Stop.is_open = _Stop.is_open, True
    try:
        yield
    finally:
        _Stop.is_open = before
