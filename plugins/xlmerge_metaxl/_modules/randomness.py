"""Dropout that is drawn again alike, or apart from everything else."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Randomness", "drawn_apart"]


class Randomness:
    """The state of torch's generators at one moment.

    Args:
        device: Where the model runs.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._processor = torch.get_rng_state()
        self._accelerator = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    def restore(self) -> None:
        """Draw again what was drawn from that moment on."""
        torch.set_rng_state(self._processor)
        if self._accelerator is not None:
            torch.cuda.set_rng_state(self._accelerator, self._device)

    @contextmanager
    def again(self) -> Iterator[None]:
        """Draw again for a while; afterwards the generators go on where they were."""
        now = Randomness(self._device)
        self.restore()
        try:
            yield
        finally:
            now.restore()


@contextmanager
def drawn_apart(device: torch.device, seed: int) -> Iterator[None]:
    """Draw by a seed of its own for a while; afterwards the generators go on where they were."""
    now = Randomness(device)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        now.restore()
