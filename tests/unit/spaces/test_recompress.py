"""Recompression finds the best factors, says the true error, and never forms the matrix."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlmerge.errors import SpaceError
from xlmerge.spaces import Compression, compress_dense, recompress

if TYPE_CHECKING:
    from tests.unit.spaces.conftest import Draw


SHAPES = [(9, 4, 7), (7, 4, 9), (3, 8, 5), (5, 8, 3), (4, 4, 4), (1, 3, 1), (6, 1, 2), (2, 9, 2)]


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize(("out", "inner", "width"), SHAPES)
def test_factors_equal_the_truncated_dense_svd(
    draw: Draw, out: int, inner: int, width: int
) -> None:
    left, right = draw.array(out, inner), draw.array(inner, width)
    product = left @ right
    u, s, v = np.linalg.svd(product, full_matrices=False)
    for k in range(1, min(out, inner, width) + 1):
        best = (u[:, :k] * s[:k]) @ v[:k]
        for found in (
            recompress(left, right, Compression(rank=k)),
            compress_dense(product, Compression(rank=k)),
        ):
            assert found[0].shape == (out, k)
            assert found[1].shape == (k, width)
            assert relative_error(found[0] @ found[1], best) < 1e-13
            measured = relative_error(found[0] @ found[1], product)
            assert found[2] == pytest.approx(measured, abs=1e-13)


@given(
    seed=st.integers(0, 10_000),
    shape=st.sampled_from(SHAPES),
    tolerance=st.floats(0, 0.99),
    measure=st.sampled_from(["tolerance", "energy"]),
)
def test_the_error_asked_for_is_met_by_the_smallest_rank(
    seed: int, shape: tuple[int, int, int], tolerance: float, measure: str
) -> None:
    rng = np.random.default_rng(seed)
    out, inner, width = shape
    left, right = rng.standard_normal((out, inner)), rng.standard_normal((inner, width))
    asked = Compression(**{measure: tolerance if measure == "tolerance" else 1 - tolerance**2})
    thin_left, thin_right, discarded = recompress(left, right, asked)
    measured = relative_error(thin_left @ thin_right, left @ right)
    assert discarded == pytest.approx(measured, abs=1e-12)
    assert measured <= tolerance + 1e-7
    if thin_left.shape[1] > 1:
        fewer = recompress(left, right, Compression(rank=thin_left.shape[1] - 1))
        assert fewer[2] > tolerance - 1e-7


def test_the_factors_are_balanced_and_signed(draw: Draw) -> None:
    left, right, _ = recompress(draw.array(20, 5), draw.array(5, 30), Compression(rank=3))
    np.testing.assert_allclose(left.T @ left, right @ right.T, atol=1e-12)
    assert (left[np.abs(left).argmax(axis=0), range(3)] > 0).all()


def test_the_same_matrix_in_other_factors_gives_the_same_factors(draw: Draw) -> None:
    left, right, mix = draw.array(8, 3), draw.array(3, 6), draw.array(3, 3)
    first = recompress(left, right, Compression(rank=2))
    second = recompress(left @ mix, np.linalg.inv(mix) @ right, Compression(rank=2))
    third = compress_dense(left @ right, Compression(rank=2))
    for other in (second, third):
        np.testing.assert_allclose(other[0], first[0], atol=1e-11)
        np.testing.assert_allclose(other[1], first[1], atol=1e-11)


@pytest.mark.parametrize("asked", [{"rank": 2}, {"tolerance": 0.1}, {"energy": 1.0}])
def test_zero_has_one_rank_of_zeros(asked: dict) -> None:
    compression = Compression(**asked)
    for left, right, discarded in (
        recompress(np.zeros((4, 3)), np.ones((3, 5)), compression),
        compress_dense(np.zeros((4, 5)), compression),
    ):
        assert (left.shape, right.shape, discarded) == ((4, 1), (1, 5), 0.0)
        assert not left.any()
        assert not right.any()


def test_what_cancels_counts_as_zero(draw: Draw) -> None:
    b, a = draw.array(50, 4), draw.array(4, 40)
    left, right = np.concatenate([b, -b], axis=1), np.concatenate([a, a])
    left, right, discarded = recompress(left, right, Compression(rank=8))
    assert (left.shape[1], discarded) == (1, 0.0)
    assert not (left @ right).any()


def test_the_rank_is_capped_by_what_exists(draw: Draw) -> None:
    b, a = draw.array(50, 4), draw.array(4, 40)
    left, right = np.concatenate([b, b], axis=1), np.concatenate([a, a])
    assert recompress(left, right, Compression(rank=8))[0].shape == (50, 4)
    assert compress_dense(b @ a, Compression(tolerance=0.0))[0].shape == (50, 4)


def test_small_terms_survive_beside_factors_of_unequal_size(draw: Draw) -> None:
    """What counts as rounding is measured by the terms, not by the factors."""
    left, right = draw.array(6, 2), draw.array(2, 6)
    sizes = np.asarray([1e15, 1e-15])
    found = recompress(left * sizes, right / sizes[:, None], Compression(rank=2))
    assert relative_error(found[0] @ found[1], left @ right) < 1e-12


def test_float32_is_computed_in_float64(library: str, draw: Draw) -> None:
    xp = importlib.import_module(library)
    left, right = draw.array(30, 6), draw.array(6, 20)
    small = [xp.asarray(v.tolist(), dtype=xp.float32) for v in (left, right)]
    twin = [np.from_dlpack(v).astype(np.float64) for v in small]
    for found, expected in (
        (recompress(*small, Compression(rank=3)), recompress(*twin, Compression(rank=3))),
        (
            compress_dense(small[0] @ small[1], Compression(rank=3)),
            compress_dense(np.from_dlpack(small[0] @ small[1]).astype(float), Compression(rank=3)),
        ),
    ):
        assert found[0].dtype == xp.float32
        assert found[2] == pytest.approx(expected[2], rel=1e-12)
        np.testing.assert_allclose(np.from_dlpack(found[0]), expected[0], atol=2e-6)
        np.testing.assert_allclose(np.from_dlpack(found[1]), expected[1], atol=2e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    broken = np.ones((3, 3))
    broken[1, 1] = value
    for refused in (
        lambda: recompress(broken, np.ones((3, 3)), Compression(rank=1)),
        lambda: recompress(np.zeros((3, 3)), broken, Compression(rank=1)),
        lambda: compress_dense(broken, Compression(rank=1)),
    ):
        with pytest.raises(SpaceError, match="not finite"):
            refused()


def test_shapes_are_checked() -> None:
    with pytest.raises(SpaceError, match=r"\(3, 2\) and \(3, 2\)"):
        recompress(np.ones((3, 2)), np.ones((3, 2)), Compression(rank=1))
    with pytest.raises(SpaceError, match=r"\(2, 2, 2\)"):
        compress_dense(np.ones((2, 2, 2)), Compression(rank=1))
