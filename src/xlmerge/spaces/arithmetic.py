"""Plain arithmetic on arrays of equal shape, checked: no array is ever broadcast to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlmerge.errors import SpaceError
from xlmerge.spaces.namespace import array_namespace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xlmerge.spaces.protocol import Array

__all__ = ["combine", "inner_product", "require_equal_shapes", "require_weights", "step"]

_BLOCK = 1 << 18
"""Entries that are brought to float64 at a time, so that large arrays are never copied whole."""


def require_equal_shapes(operation: str, *arrays: Array) -> None:
    """Refuse arrays of different shapes, which the libraries would silently broadcast.

    Raises:
        SpaceError: The shapes differ.
    """
    shapes = [tuple(array.shape) for array in arrays]
    if any(shape != shapes[0] for shape in shapes):
        found = ", ".join(str(shape) for shape in shapes)
        raise SpaceError(f"{operation} needs operands of equal shape, found {found}")


def require_weights(weights: Sequence[float], deltas: Sequence[object]) -> None:
    """Refuse a linear combination whose weights and deltas do not pair up.

    Raises:
        SpaceError: There are no deltas, or not as many as weights.
    """
    if not deltas or len(weights) != len(deltas):
        raise SpaceError(
            "a linear combination needs one weight per delta and at least one delta, "
            f"found {len(weights)} weights and {len(deltas)} deltas"
        )


def combine(weights: Sequence[float], arrays: Sequence[Array]) -> Array:
    """``sum_i weights[i] * arrays[i]`` as a new array; terms of weight 0 are left out.

    Args:
        weights: As many numbers as there are arrays.
        arrays: Arrays of equal shape.

    Raises:
        SpaceError: Shapes differ, or weights and arrays do not pair up.
    """
    require_weights(weights, arrays)
    require_equal_shapes("a linear combination", *arrays)
    xp = array_namespace(*arrays)
    dtype = xp.result_type(*arrays)
    terms = [pair for pair in zip(weights, arrays, strict=True) if pair[0] != 0]
    if not terms:
        return xp.zeros_like(arrays[0], dtype=dtype)
    (weight, array), *rest = terms
    total = weight * xp.astype(array, dtype, copy=False)  # always a new array, never an input
    for weight, array in rest:
        total += weight * array
    return total


def inner_product(first: Array, second: Array) -> float:
    """``sum_i first[i] * second[i]``, products and sum in float64, in blocks of bounded size.

    Raises:
        SpaceError: The shapes differ.
    """
    require_equal_shapes("an inner product", first, second)
    xp = array_namespace(first, second)
    first, second = xp.reshape(first, (-1,)), xp.reshape(second, (-1,))
    total = 0.0
    for start in range(0, first.shape[0], _BLOCK):
        block = slice(start, min(start + _BLOCK, first.shape[0]))
        product = xp.astype(first[block], xp.float64) * xp.astype(second[block], xp.float64)
        total += float(xp.sum(product))
    return total


def step(x: Array, source: Array, target: Array, t: float) -> Array:
    """``x + t * (target - source)``; exactly ``x`` where target and source are equal.

    Raises:
        SpaceError: The shapes differ.
    """
    require_equal_shapes("a transport", x, source, target)
    if t == 0 or source is target:
        return x
    return x + t * (target - source)
