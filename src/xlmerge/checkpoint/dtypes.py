"""The element types of tensor files: one table from xlmerge's name to each container's spelling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    import numpy as np

__all__ = ["DTYPES", "DTYPE_OF_CODE", "DTYPE_OF_STORAGE", "Dtype", "dtype_of", "numpy_dtype"]


@dataclass(frozen=True, slots=True)
class Dtype:
    """One element type.

    Attributes:
        name: NumPy's name (or that of ``ml_dtypes``), as in ``TensorHeader.dtype``.
        bits: Size of one element in bits.
        code: Its code in a safetensors header.
        storage: The torch storage class that holds it (``FloatStorage``); None where torch has none
            that a plain tensor is saved with.
        readable: Whether tensors of it are read and written, or only listed.
    """

    name: str
    bits: int
    code: str
    storage: str | None = None
    readable: bool = True

    @property
    def itemsize(self) -> int:
        """Size of one element in bytes (of readable types, which all fill whole bytes)."""
        return self.bits // 8


_ALL = (
    Dtype("float64", 64, "F64", "DoubleStorage"),
    Dtype("float32", 32, "F32", "FloatStorage"),
    Dtype("float16", 16, "F16", "HalfStorage"),
    Dtype("bfloat16", 16, "BF16", "BFloat16Storage"),
    Dtype("int64", 64, "I64", "LongStorage"),
    Dtype("int32", 32, "I32", "IntStorage"),
    Dtype("int16", 16, "I16", "ShortStorage"),
    Dtype("int8", 8, "I8", "CharStorage"),
    Dtype("uint8", 8, "U8", "ByteStorage"),
    Dtype("uint16", 16, "U16"),
    Dtype("uint32", 32, "U32"),
    Dtype("uint64", 64, "U64"),
    Dtype("bool", 8, "BOOL", "BoolStorage"),
    # Known so that a file with them can be looked at; no adapter stores its weights in them.
    Dtype("complex64", 64, "C64", readable=False),
    Dtype("float8_e4m3fn", 8, "F8_E4M3", readable=False),
    Dtype("float8_e5m2", 8, "F8_E5M2", readable=False),
    Dtype("float8_e8m0fnu", 8, "F8_E8M0", readable=False),
    Dtype("float8_e4m3fnuz", 8, "F8_E4M3FNUZ", readable=False),
    Dtype("float8_e5m2fnuz", 8, "F8_E5M2FNUZ", readable=False),
    Dtype("float6_e2m3fn", 6, "F6_E2M3", readable=False),
    Dtype("float6_e3m2fn", 6, "F6_E3M2", readable=False),
    Dtype("float4_e2m1fn", 4, "F4", readable=False),
)

DTYPES = {dtype.name: dtype for dtype in _ALL}
DTYPE_OF_CODE = {dtype.code: dtype for dtype in _ALL}
DTYPE_OF_STORAGE = {dtype.storage: dtype for dtype in _ALL if dtype.storage is not None}


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The NumPy type of a readable element type, in the machine's own byte order.

    Raises:
        KeyError: No readable type of that name.
    """
    import numpy as np

    if not DTYPES[name].readable:
        raise KeyError(name)
    if name == "bfloat16":
        import ml_dtypes

        bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    return np.dtype(name)


def dtype_of(array: np.ndarray[Any, Any]) -> Dtype:
    """The element type of an array that is to be written.

    Raises:
        ValueError: No file can hold it (complex, text, objects, 8-bit floats).
    """
    dtype = DTYPES.get(array.dtype.name)
    if dtype is None or not dtype.readable:
        known = ", ".join(known.name for known in _ALL if known.readable)
        msg = f"cannot write an array of dtype {array.dtype.name}; known: {known}"
        raise ValueError(msg)
    return dtype
