"""Results in the precision of the output."""

from __future__ import annotations

from typing import Any

from xlmerge.errors import MergeError

__all__ = ["cast"]


def cast(array: Any, dtype: str, what: str) -> Any:
    """An array in the precision of the output.

    Args:
        array: A result.
        dtype: Name of a floating-point type.
        what: Whose result it is, for messages.

    Raises:
        MergeError: A number is not finite there.
    """
    import numpy as np

    from xlmerge.checkpoint.dtypes import numpy_dtype

    with np.errstate(over="ignore"):
        converted = np.asarray(array).astype(numpy_dtype(dtype), order="C", copy=False)
    if np.isfinite(converted).all():
        return converted
    if np.isfinite(array).all():
        wider = (
            "write `dtype: float32`, or `bfloat16`, which has float32's range"
            if dtype == "float16"
            else "take smaller weights, or write `dtype: float64`"
        )
        raise MergeError(f"{what}: {np.abs(array).max():.3g} is too large for {dtype}", hint=wider)
    raise MergeError(
        f"{what}: the result is not finite",
        hint="take smaller weights, or look at the inputs with `xlmerge inspect`",
    )
