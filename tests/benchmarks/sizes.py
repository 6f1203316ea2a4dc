"""How large the models are that the adapters are for."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BASE", "TINY", "Size"]


@dataclass(frozen=True, slots=True)
class Size:
    """One XLM-R-like model, and the adapters on it.

    Attributes:
        layers: Number of layers.
        hidden: Width of a layer.
        feed_forward: Width between its two feed-forward maps.
        vocabulary: Number of word pieces.
        rank: Rank of LoRA.
        many: The larger of the two numbers of adapters that are merged.
        synthetic: Width and rank of the LoRA set for the memory bound.
        synthetic_layers: Its layers at scale 1, where each adapter takes 1 GiB.
    """

    layers: int
    hidden: int
    feed_forward: int
    vocabulary: int
    rank: int
    many: int
    synthetic: tuple[int, int]
    synthetic_layers: int


BASE = Size(12, 768, 3072, 250_002, 16, 8, (8192, 64), 64)
"""XLM-R-base."""

TINY = Size(2, 64, 128, 100, 4, 3, (64, 4), 40)
"""To see in seconds whether everything runs."""
