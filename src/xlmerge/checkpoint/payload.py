"""The bytes of one tensor, between an array and a file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from xlmerge.checkpoint.dtypes import DTYPES, numpy_dtype
from xlmerge.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    import numpy as np

    from xlmerge.checkpoint.tensor_file import Array
    from xlmerge.plugin.headers import TensorHeader

__all__ = ["byte_view", "new_array", "payload_chunks", "swap_bytes"]

_CHUNK = 1 << 24  # bytes: what a strided array costs on top of itself while it is written


def new_array(path: Path, header: TensorHeader, shape: tuple[int, ...] | None = None) -> Array:
    """An uninitialised array for a tensor about to be read.

    Args:
        path: The file, for messages.
        header: The tensor.
        shape: Another shape than the tensor's own, for the raw elements of a strided view.

    Raises:
        CheckpointError: No array can have that type or shape.
    """
    import numpy as np

    if not DTYPES[header.dtype].readable:
        readable = ", ".join(name for name, dtype in DTYPES.items() if dtype.readable)
        msg = (
            f"{path}: tensor {header.name!r} has dtype {header.dtype}, which cannot be read"
            f" (expected one of {readable})"
        )
        raise CheckpointError(msg, hint="convert the adapter to float32, float16 or bfloat16")
    try:
        return np.empty(header.shape if shape is None else shape, numpy_dtype(header.dtype))
    except ValueError as error:  # more axes, or longer ones, than NumPy can count
        msg = f"{path}: tensor {header.name!r} has shape {header.shape}: {error}"
        raise CheckpointError(msg, hint="no adapter has such a tensor; check the file") from error


def byte_view(array: Array) -> memoryview:
    """The bytes of a C-contiguous array, as a view of single bytes that shares its memory."""
    import numpy as np

    return array.reshape(-1).view(np.uint8).data


def swap_bytes(array: np.ndarray[Any, Any]) -> None:
    """Turn the byte order of each element around, in place; the dtype stays."""
    # As integers, since bfloat16 is not a type of NumPy's own.
    array.reshape(-1).view(f"u{array.itemsize}").byteswap(inplace=True)


def payload_chunks(array: Array) -> Iterator[memoryview]:
    """The elements of an array in C order and little-endian, as views of single bytes.

    A contiguous array comes as one view of its own memory; any other in copies of bounded size.
    """
    little = array.dtype.byteorder == "<" or (
        array.dtype.byteorder in "=|" and sys.byteorder == "little"
    )
    if array.flags.c_contiguous and (little or array.itemsize == 1):
        yield byte_view(array)
        return
    step = max(1, _CHUNK // array.itemsize)
    for start in range(0, array.size, step):
        piece = array.flat[start : start + step]
        if not little:
            swap_bytes(piece)
        yield byte_view(piece)
