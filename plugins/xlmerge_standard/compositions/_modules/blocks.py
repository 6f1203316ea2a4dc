"""Composition blocks of the adapters library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters.composition import Average, BatchSplit, Fuse, Parallel, Split, Stack

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["batch_split_of", "fuse_of", "parallel_of", "split_of", "stack_of", "sum_of"]


def stack_of(parts: Sequence[Any]) -> Stack:
    """One on the other; a stack in a stack is one stack, and the library knows no other.

    Args:
        parts: Names of adapters, or blocks.
    """
    flat: list[Any] = []
    for part in parts:
        flat += part.children if isinstance(part, Stack) else [part]
    return Stack(*flat)


def sum_of(names: Sequence[str], weights: Sequence[float]) -> Average:
    """``sum_i w_i h_i``, undoing that the library divides by the number of adapters."""
    shares = [len(names) * w for w in weights]
    return Average(*names, weights=shares, normalize_weights=False)


def parallel_of(names: Sequence[str]) -> Parallel:
    """Each on a copy of the input."""
    return Parallel(*names)


def fuse_of(names: Sequence[str]) -> Fuse:
    """Joined by the attention that the model has for them."""
    return Fuse(*names)


def split_of(names: Sequence[str], sizes: Sequence[int]) -> Split:
    """Each on some positions."""
    return Split(*names, splits=list(sizes))


def batch_split_of(names: Sequence[str], sizes: Sequence[int]) -> BatchSplit:
    """Each on some rows."""
    return BatchSplit(*names, batch_sizes=list(sizes))
