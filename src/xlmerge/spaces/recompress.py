"""The best approximation of a matrix by two thin factors, with its error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from xlmerge.errors import SpaceError
from xlmerge.spaces.namespace import array_namespace

if TYPE_CHECKING:
    from xlmerge.spaces.compression import Compression
    from xlmerge.spaces.protocol import Array

__all__ = ["compress_dense", "recompress"]


def recompress(left: Array, right: Array, compression: Compression) -> tuple[Array, Array, float]:
    """The product of two factors by fewer columns and rows, without ever forming it.

    Both factors are made orthogonal by QR, and the singular values of the product are those of
    the small core ``R_left @ R_right^T``; about ``(out + in) * R^2`` operations instead of
    ``out * in * min(out, in)``. Everything is computed in float64.

    Args:
        left: ``[out, R]``.
        right: ``[R, in]``; ``R`` may exceed both ``out`` and ``in``.
        compression: How much to keep.

    Returns:
        ``[out, k]`` and ``[k, in]`` with ``k >= 1`` in the dtype of the factors, and the relative
        Frobenius error. The singular values are split evenly; the entry of largest magnitude in
        each column of the left factor is positive. A zero matrix gives zero factors of rank 1.

    Raises:
        SpaceError: The factors do not fit together or hold values that are not finite.
    """
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[0]:
        raise SpaceError(
            "two factors must have shapes [out, R] and [R, in], "
            f"found {tuple(left.shape)} and {tuple(right.shape)}"
        )
    xp = array_namespace(left, right)
    dtype = xp.result_type(left, right)
    left, right = xp.astype(left, xp.float64), xp.astype(right, xp.float64)
    _require_finite(left, right)
    # Rounding errors are relative to the rank-one terms, which may cancel in their sum.
    terms = xp.sqrt(xp.sum(left * left, axis=0) * xp.sum(right * right, axis=1))
    floor = sys.float_info.epsilon * max(*left.shape, right.shape[1]) * float(xp.sum(terms))
    left_basis, left_core = xp.linalg.qr(left)
    right_basis, right_core = xp.linalg.qr(right.T)
    thin_left, thin_right, discarded = _truncated(left_core @ right_core.T, floor, compression)
    return *_signed(left_basis @ thin_left, thin_right @ right_basis.T, dtype), discarded


def compress_dense(array: Array, compression: Compression) -> tuple[Array, Array, float]:
    """Two thin factors of a full matrix, from its singular values in float64.

    Args:
        array: ``[out, in]``.
        compression: How much to keep.

    Returns:
        As :func:`recompress`.

    Raises:
        SpaceError: The array is not a matrix, or holds values that are not finite.
    """
    if array.ndim != 2:
        raise SpaceError(
            f"only a matrix [out, in] has low-rank factors, found shape {tuple(array.shape)}"
        )
    xp = array_namespace(array)
    matrix = xp.astype(array, xp.float64)
    _require_finite(matrix)
    norm = float(xp.linalg.matrix_norm(matrix))
    floor = sys.float_info.epsilon * max(matrix.shape) * norm
    left, right, discarded = _truncated(matrix, floor, compression)
    return *_signed(left, right, array.dtype), discarded


def _require_finite(*arrays: Array) -> None:
    xp = array_namespace(*arrays)
    if not all(bool(xp.all(xp.isfinite(array))) for array in arrays):
        raise SpaceError("a matrix with values that are not finite has no low-rank factors")


def _truncated(matrix: Array, floor: float, compression: Compression) -> tuple[Array, Array, float]:
    xp = array_namespace(matrix)
    left, values, right = xp.linalg.svd(matrix, full_matrices=False)
    kept, discarded = compression.kept([float(value) for value in values], floor)
    # Below the floor the matrix counts as zero, and so do the one column and row that stay.
    roots = xp.sqrt(xp.where(values > floor, values, xp.zeros_like(values)))[:kept]
    return left[:, :kept] * roots, roots[:, None] * right[:kept, :], discarded


def _signed(left: Array, right: Array, dtype: object) -> tuple[Array, Array]:
    """One of the two signs that every pair of singular vectors may have, always the same."""
    xp = array_namespace(left, right)
    upwards = xp.max(left, axis=0) >= -xp.min(left, axis=0)
    signs = xp.where(upwards, xp.ones_like(left[0, :]), -xp.ones_like(left[0, :]))
    return xp.astype(left * signs, dtype), xp.astype(signs[:, None] * right, dtype)
