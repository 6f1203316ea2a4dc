"""What is in a point: its arrays, as numbers and as bytes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import ndarray

    from xlmerge.spaces import Array

__all__ = ["dense_numbers", "leaves", "numbers", "raw_bytes"]


def leaves(value: Any) -> Iterator[Array]:
    """The arrays in a point: an array, or dataclasses, mappings and sequences of such."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        yield value
    elif isinstance(value, Mapping):
        for name in value:
            yield from leaves(value[name])
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from leaves(getattr(value, field.name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from leaves(item)


def numbers(value: Any) -> ndarray:
    """All entries of a point, in float64 and one after the other."""
    import numpy as np

    parts = [np.from_dlpack(leaf).astype(np.float64).ravel() for leaf in leaves(value)]
    return np.concatenate(parts) if parts else np.zeros(0)


def dense_numbers(space: Any, point: Any) -> ndarray:
    """What a point does, whatever form it is kept in: all entries of its dense delta."""
    return numbers(space.dense(space.delta(point)))


def raw_bytes(value: Any) -> list[bytes]:
    """The arrays of a point as bytes, with their dtypes: equal if and only if nothing differs."""
    import numpy as np

    arrays = [np.from_dlpack(leaf) for leaf in leaves(value)]
    return [f"{array.dtype}{array.shape}".encode() + array.tobytes() for array in arrays]
