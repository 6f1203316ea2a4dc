"""LoRA as a matrix: every shortcut against its dense float64 twin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlmerge.errors import SpaceError
from xlmerge.spaces import Compression, LowRank, LowRankSpace

if TYPE_CHECKING:
    from tests.unit.spaces.conftest import Draw, Facts


SPACE = LowRankSpace()


def matrix(x: LowRank) -> np.ndarray:
    """The dense float64 twin, written down without the space."""
    return x.scale * (np.asarray(x.left, float) @ np.asarray(x.right, float))


def same_bits(x: LowRank, y: LowRank) -> bool:
    return (x.left.tobytes(), x.right.tobytes(), x.scale) == (
        y.left.tobytes(),
        y.right.tobytes(),
        y.scale,
    )


def test_golden_numbers() -> None:
    x = LowRank(np.asarray([[1.0], [2.0]]), np.asarray([[3.0, 4.0]]), 2.0)
    u = LowRank(np.asarray([[0.0], [1.0]]), np.asarray([[1.0, -1.0]]), 3.0)
    assert SPACE.dense(x).tolist() == [[6.0, 8.0], [12.0, 16.0]]
    total = SPACE.lincomb([1.0, -2.0], [x, u])
    assert (total.left.tolist(), total.scale) == ([[2.0, -0.0], [4.0, -6.0]], 1.0)
    assert total.right.tolist() == [[3.0, 4.0], [1.0, -1.0]]
    assert SPACE.dense(total).tolist() == [[6.0, 8.0], [6.0, 22.0]]
    assert SPACE.inner(x, u) == 12 * 3 - 16 * 3


# --- the sum


@given(
    weights=st.lists(st.sampled_from([0.0, 1.0, -1.0, 0.3, 2.5]), min_size=1, max_size=4),
    scales=st.lists(st.sampled_from([1.0, 0.5, 2.0]), min_size=4, max_size=4),
    asked=st.sampled_from([None, 1.0, 0.125, -3.0]),
    repeat=st.booleans(),
)
def test_lincomb_is_the_sum_of_the_matrices(
    weights: list[float], scales: list[float], asked: float | None, repeat: bool
) -> None:
    rng = np.random.default_rng(3)
    points = [
        LowRank(rng.standard_normal((5, r)), rng.standard_normal((r, 4)), scale)
        for r, scale in zip((1, 2, 3, 2), scales, strict=True)
    ][: len(weights)]
    if repeat:
        points[-1] = points[0]
    found = LowRankSpace(scale=asked).lincomb(weights, points)
    expected = sum(w * matrix(x) for w, x in zip(weights, points, strict=True))
    np.testing.assert_allclose(matrix(found), expected, atol=1e-12)
    if asked is not None:
        assert found.scale == asked
    elif len({x.scale for x in points}) == 1:
        assert found.scale == points[0].scale
    else:
        assert found.scale == 1.0


def test_ranks_add_but_not_those_of_weight_zero(draw: Draw) -> None:
    a, b, c = (draw.lora(rank=r) for r in (1, 2, 4))
    assert SPACE.lincomb([1.0, 1.0, 1.0], [a, b, c]).rank == 7
    assert SPACE.lincomb([1.0, 0.0, 1.0], [a, b, c]).rank == 5
    assert SPACE.lincomb([0.5, 1.0, 0.5], [a, b, a]).rank == 3
    nothing = SPACE.lincomb([1.0, 0.0, -1.0], [a, b, a])
    assert (nothing.rank, nothing.scale, matrix(nothing).any()) == (1, 0.5, False)


def test_the_common_scale_counts_terms_of_weight_zero(draw: Draw) -> None:
    a, b = draw.lora(scale=2.0), draw.lora(scale=4.0)
    assert SPACE.lincomb([1.0, 0.0], [a, a]).scale == 2.0
    assert SPACE.lincomb([1.0, 0.0], [a, b]).scale == 1.0
    assert SPACE.lincomb([0.0, 0.0], [a, b]).scale == 1.0


def test_one_term_of_weight_one_stays_bit_for_bit(draw: Draw) -> None:
    a, b = draw.lora(), draw.lora()
    assert same_bits(SPACE.lincomb([1.0, 0.0], [a, b]), a)


@pytest.mark.parametrize("operation", ["lincomb", "inner", "transport"])
def test_shapes_must_agree(draw: Draw, operation: str) -> None:
    a, b = draw.lora(out=9, width=6), draw.lora(out=6, width=9)
    with pytest.raises(SpaceError, match=r"\(9, 6\).*\(6, 9\)"):
        {
            "lincomb": lambda: SPACE.lincomb([1.0, 0.0], [a, b]),
            "inner": lambda: SPACE.inner(a, b),
            "transport": lambda: SPACE.transport(a, b, b, 0.0),
        }[operation]()


def test_inner_is_that_of_the_matrices(draw: Draw) -> None:
    a, b = draw.lora(rank=2, scale=0.7), draw.lora(rank=5, scale=-3.0)
    assert SPACE.inner(a, b) == pytest.approx(float(np.sum(matrix(a) * matrix(b))), rel=1e-12)
    cancelling = SPACE.lincomb([1.0, -1.0], [a, LowRank(a.left, a.right, a.scale)])
    assert SPACE.inner(cancelling, cancelling) >= 0


# --- points


@pytest.mark.parametrize(
    ("left", "right"), [((3, 2), (3, 2)), ((3,), (3, 2)), ((3, 0), (0, 2)), ((3, 2, 1), (1, 2))]
)
def test_points_have_two_fitting_factors(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    with pytest.raises(SpaceError, match=r"\[out, r\] and \[r, in\]"):
        LowRank(np.ones(left), np.ones(right), 1.0)


@pytest.mark.parametrize("scale", [np.nan, np.inf])
def test_points_have_a_finite_scale(scale: float) -> None:
    with pytest.raises(SpaceError, match="finite"):
        LowRank(np.ones((2, 1)), np.ones((1, 2)), float(scale))


@pytest.mark.parametrize("scale", [0.0, np.nan, np.inf])
def test_results_have_a_finite_scale_that_is_not_zero(scale: float) -> None:
    with pytest.raises(SpaceError, match="finite and not 0"):
        LowRankSpace(scale=float(scale))


def test_a_scale_of_zero_is_a_zero_matrix(draw: Draw) -> None:
    off, on = draw.lora(scale=0.0), draw.lora(scale=2.0)
    np.testing.assert_allclose(matrix(SPACE.lincomb([3.0, 1.0], [off, on])), matrix(on))
    assert not matrix(LowRankSpace(scale=0.5).restore(off)).any()


# --- compression


def test_restore_compresses_and_says_what_it_lost(draw: Draw, facts: Facts) -> None:
    space = LowRankSpace(Compression(rank=3), observe=facts)
    whole = space.lincomb([1.0, 0.5, -0.5], [draw.lora() for _ in range(3)])
    found = space.restore(whole)
    lost = np.linalg.norm(matrix(found) - matrix(whole)) / np.linalg.norm(matrix(whole))
    assert (found.rank, found.scale) == (3, 0.5)
    assert facts == {"discarded": [pytest.approx(lost, rel=1e-12)], "rank": [3.0]}
    assert lost > 0.01


def test_tolerance_is_met_by_the_rank_and_not_by_one_less(draw: Draw, facts: Facts) -> None:
    whole = SPACE.lincomb([1.0, 0.5, -0.5], [draw.lora() for _ in range(3)])
    found = LowRankSpace(Compression(tolerance=0.3), observe=facts).restore(whole)
    less = LowRankSpace(Compression(rank=found.rank - 1)).restore(whole)
    size = np.linalg.norm(matrix(whole))
    assert np.linalg.norm(matrix(found) - matrix(whole)) <= 0.3 * size
    assert np.linalg.norm(matrix(less) - matrix(whole)) > 0.3 * size


def test_nothing_is_compressed_twice(draw: Draw, facts: Facts) -> None:
    space = LowRankSpace(Compression(tolerance=0.4), observe=facts)
    once = space.restore(SPACE.lincomb([1.0, 0.5], [draw.lora(rank=4), draw.lora(rank=4)]))
    assert space.restore(space.delta(once)) is once
    from_dense = space.undense(draw.array(9, 6))
    assert space.restore(from_dense) is from_dense
    assert space.restore(space.lincomb([-2.0], [from_dense])).rank == from_dense.rank
    assert len(facts["discarded"]) == 2
    # Another compression, and another matrix, are a new matter.
    stronger = LowRankSpace(Compression(tolerance=0.8))
    assert stronger.restore(from_dense).rank < from_dense.rank
    assert space.lincomb([1.0, 1.0], [once, from_dense]).compressed is None


def test_factors_within_the_rank_asked_for_stay_as_they_are(draw: Draw, facts: Facts) -> None:
    x = draw.lora(rank=2)
    found = LowRankSpace(Compression(rank=2), observe=facts).restore(x)
    assert same_bits(found, x)
    assert facts == {"discarded": [0.0], "rank": [2.0]}


def test_undense_needs_a_compression() -> None:
    with pytest.raises(SpaceError, match=r"\(4, 3\)") as caught:
        SPACE.undense(np.ones((4, 3)))
    assert "rank, tolerance or energy" in str(caught.value.hint)


@pytest.mark.parametrize("scale", [None, 0.25, -2.0])
def test_undense_has_the_scale_asked_for(draw: Draw, scale: float | None) -> None:
    x = draw.lora(scale=3.0)
    found = LowRankSpace(Compression(rank=4), scale=scale).undense(matrix(x))
    assert found.scale == (scale or 1.0)
    np.testing.assert_allclose(matrix(found), matrix(x), atol=1e-12)


# --- transport, the identities of the analogy


def test_transport_is_affine_in_t(draw: Draw) -> None:
    x, s, u = (draw.lora() for _ in range(3))
    at = {t: matrix(SPACE.transport(x, s, u, t)) for t in (0.0, 0.5, 1.0, 2.0)}
    np.testing.assert_allclose(at[0.5] - at[0.0], at[1.0] - at[0.5], atol=1e-12)
    np.testing.assert_allclose(at[2.0] - at[1.0], at[1.0] - at[0.0], atol=1e-12)
    np.testing.assert_allclose(at[2.0], matrix(x) + 2 * (matrix(u) - matrix(s)), atol=1e-12)


def test_swapping_source_and_target_is_minus_t(draw: Draw) -> None:
    x, s, u = (draw.lora() for _ in range(3))
    swapped = matrix(SPACE.transport(x, u, s, 0.7))
    np.testing.assert_allclose(matrix(SPACE.transport(x, s, u, -0.7)), swapped, atol=1e-12)


def test_transport_does_not_see_the_factorisation(draw: Draw) -> None:
    x, s, u = (draw.lora() for _ in range(3))
    mix = draw.array(2, 2)
    other = LowRank(u.left @ mix, np.linalg.inv(mix) @ u.right, u.scale)
    found, expected = (matrix(SPACE.transport(x, s, v, 0.7)) for v in (other, u))
    np.testing.assert_allclose(found, expected, atol=1e-11)


@pytest.mark.parametrize("stored", [(1.0, 8.0), (8.0, 1.0), (2.0, 4.0)])
@pytest.mark.parametrize("asked", [None, 0.5])
def test_transport_does_not_see_how_alpha_is_stored(
    draw: Draw, stored: tuple[float, float], asked: float | None
) -> None:
    x, s, u = (draw.lora(scale=8.0) for _ in range(3))
    in_scale, in_factor = stored
    other = LowRank(in_factor * u.left, u.right, in_scale)
    space = LowRankSpace(scale=asked)
    found, expected = (matrix(space.transport(x, s, v, 0.7)) for v in (other, u))
    np.testing.assert_allclose(found, expected, atol=1e-11)


def test_transport_of_different_ranks(draw: Draw) -> None:
    x, s, u = (draw.lora(rank=r) for r in (1, 4, 2))
    found = SPACE.transport(x, s, u, 0.3)
    assert found.rank == 7
    np.testing.assert_allclose(matrix(found), matrix(x) + 0.3 * (matrix(u) - matrix(s)), atol=1e-12)


def test_transport_of_nothing_is_x_bit_for_bit(draw: Draw) -> None:
    x, s, u = (draw.lora() for _ in range(3))
    assert SPACE.transport(x, s, u, 0.0) is x
    assert SPACE.transport(x, s, s, 0.7) is x
    assert same_bits(LowRankSpace(Compression(rank=2)).transport(x, s, u, 0.0), x)
    rescaled = LowRankSpace(scale=2.0).transport(x, s, u, 0.0)
    assert rescaled.scale == 2.0
    np.testing.assert_allclose(matrix(rescaled), matrix(x), rtol=1e-15)


def test_the_whole_step_at_the_source_is_the_target_bit_for_bit(draw: Draw) -> None:
    s, u = draw.lora(), draw.lora()
    assert same_bits(SPACE.transport(s, s, u, 1.0), u)


def test_float32_is_near_its_twin(draw: Draw) -> None:
    points = [draw.lora() for _ in range(3)]
    small = [LowRank(np.float32(x.left), np.float32(x.right), x.scale) for x in points]
    found = SPACE.dense(SPACE.transport(*small, 0.5))
    assert found.dtype == np.float32
    expected = matrix(SPACE.transport(*points, 0.5))
    np.testing.assert_allclose(found, expected, atol=1e-5)
