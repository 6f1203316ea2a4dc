"""Which library's functions work on an array: the namespace of the array API standard."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

from xlmerge.errors import SpaceError

if TYPE_CHECKING:
    from xlmerge.spaces.protocol import Array

__all__ = ["Namespace", "array_namespace"]

Namespace: TypeAlias = Any
"""A module with the functions of the Python array API standard (2023.12)."""


def array_namespace(*arrays: Array) -> Namespace:
    """The namespace that works on all the arrays given.

    NumPy arrays use NumPy itself, torch tensors ``array_api_compat.torch`` (torch's own names
    differ from the standard), everything else what its ``__array_namespace__`` says. No library
    is imported that is not already there: who holds a tensor has imported torch.

    Args:
        arrays: At least one array; all of the same library.

    Raises:
        SpaceError: The arrays come from more than one library.
        TypeError: Something is not an array of the standard, or nothing was given.
    """
    if not arrays:
        raise TypeError("array_namespace() needs at least one array, found none.")
    first, *rest = (_namespace_of(array) for array in arrays)
    if any(namespace is not first for namespace in rest):
        found = sorted({_library_of(array) for array in arrays})
        raise SpaceError(
            f"arrays of one operation must come from one library, found {' and '.join(found)}",
            hint="convert them to one library first",
        )
    return first


def _namespace_of(array: Array) -> Namespace:
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(array, numpy.ndarray | numpy.generic):
        return numpy
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(array, torch.Tensor):
        return importlib.import_module("array_api_compat.torch")
    if hasattr(array, "__array_namespace__"):
        return array.__array_namespace__()
    raise TypeError(
        f"Expected an array that follows the array API standard, "
        f"found {type(array).__module__}.{type(array).__qualname__}."
    )


def _library_of(array: Array) -> str:
    return type(array).__module__.partition(".")[0]
