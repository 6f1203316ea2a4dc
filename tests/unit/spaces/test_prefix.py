"""Prefixes: a step is a matrix on the tokens, with its conditions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from xlmerge.errors import SpaceError
from xlmerge.spaces import PrefixSpace

if TYPE_CHECKING:
    from tests.unit.spaces.conftest import Draw, Facts


SPACE = PrefixSpace()


@pytest.mark.parametrize("t", [0.3, 1.0, -2.0])
def test_it_is_the_mixture_of_identity_and_step(draw: Draw, t: float) -> None:
    x, source, target = (draw.array(4, 9) for _ in range(3))
    step = (1 - t) * np.eye(4) + t * target @ np.linalg.pinv(source)
    np.testing.assert_allclose(SPACE.transport(x, source, target, t), step @ x, atol=1e-12)


def test_golden_numbers() -> None:
    source = np.asarray([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    target = np.asarray([[3.0, 0.0, 5.0], [0.0, 0.0, 7.0]])
    x = np.asarray([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert SPACE.transport(x, source, target, 1.0).tolist() == [[3.0, 6.0, 9.0], [0.0, 0.0, 0.0]]


def test_ridge_golden_numbers() -> None:
    source, target = 2 * np.eye(2, 3), 4 * np.eye(2, 3)
    # lambda = 0.25 * 4: x + (2 * 2) / (4 + 1) x
    found = PrefixSpace("ridge", ridge=0.25).transport(np.ones((2, 3)), source, target, 1.0)
    np.testing.assert_allclose(found, np.full((2, 3), 1.8))


def test_the_ridge_rule_is_its_formula_and_tends_to_the_pseudo_inverse(draw: Draw) -> None:
    x, source, target = (draw.array(4, 9) for _ in range(3))
    gram = source @ source.T
    shift = 0.01 * float(np.trace(gram)) / 4
    step = (target - source) @ source.T @ np.linalg.inv(gram + shift * np.eye(4))
    found = PrefixSpace("ridge", ridge=0.01).transport(x, source, target, 0.6)
    np.testing.assert_allclose(found, x + 0.6 * step @ x, atol=1e-12)
    tiny = PrefixSpace("ridge", ridge=1e-12).transport(x, source, target, 0.6)
    np.testing.assert_allclose(tiny, SPACE.transport(x, source, target, 0.6), atol=1e-8)


def test_at_the_source_only_the_projection_of_the_target_is_reached(draw: Draw) -> None:
    """The identity that cannot hold: this is why ``reaches_target`` is false."""
    source, target = draw.array(3, 30), draw.array(3, 30)
    found = SPACE.transport(source, source, target, 1.0)
    np.testing.assert_allclose(found, target @ np.linalg.pinv(source) @ source, atol=1e-12)
    assert np.linalg.norm(found - target) > 0.5 * np.linalg.norm(target)


def test_order_matters(draw: Draw) -> None:
    """Equal references give x back only if the step is applied from the left."""
    x, source = draw.array(3, 30), draw.array(3, 30)
    np.testing.assert_allclose(source @ np.linalg.pinv(source) @ x, x, atol=1e-12)
    other = x @ np.linalg.pinv(source) @ source
    assert np.linalg.norm(other - x) > 0.5 * np.linalg.norm(x)


@pytest.mark.parametrize("rule", ["pseudo_inverse", "ridge"])
@pytest.mark.parametrize("rows", [3, 12])
def test_transport_of_nothing_is_x_bit_for_bit(draw: Draw, rule: str, rows: int) -> None:
    space = PrefixSpace(rule)
    x, source = draw.array(rows, 8), np.ones((rows, 8))  # neither p <= d nor full rank is asked
    assert space.transport(x, source, x, 0.0) is x
    assert space.transport(x, source, source.copy(), 0.7) is x


def test_a_rank_deficient_source_is_refused(draw: Draw, facts: Facts) -> None:
    x, source, target = (draw.array(4, 9) for _ in range(3))
    source[3] = source[0] + source[1]
    with pytest.raises(SpaceError, match=r"p = 4, d = 9, rank 3 .*condition number") as caught:
        PrefixSpace(observe=facts).transport(x, source, target, 1.0)
    assert "ridge" in str(caught.value.hint)
    assert facts["effective_rank"] == [3.0]
    assert facts["condition_number"][0] > 1e14
    assert np.isfinite(PrefixSpace("ridge").transport(x, source, target, 1.0)).all()


def test_more_tokens_than_dimensions_are_refused(draw: Draw) -> None:
    x, source, target = (draw.array(6, 4) for _ in range(3))
    with pytest.raises(SpaceError, match="p = 6, d = 4, rank 4"):
        SPACE.transport(x, source, target, 1.0)
    assert PrefixSpace("ridge").transport(x, source, target, 1.0).shape == (6, 4)


def test_what_counts_as_zero_depends_on_the_dtype_or_is_said(draw: Draw) -> None:
    source = np.eye(2, 5)
    source[1, 1] = 1e-7
    x, target = draw.array(2, 5), draw.array(2, 5)
    assert np.isfinite(SPACE.transport(x, source, target, 1.0)).all()
    with pytest.raises(SpaceError, match="rank 1"):
        SPACE.transport(*(np.float32(v) for v in (x, source, target)), 1.0)
    with pytest.raises(SpaceError, match=r"rank 1 \(rtol 1.0e-06\)"):
        PrefixSpace(rtol=1e-6).transport(x, source, target, 1.0)


def test_the_ridge_damps_what_the_inverse_amplifies(draw: Draw) -> None:
    rows = np.linalg.qr(draw.array(20, 5))[0].T
    source = np.logspace(0, -5, 5)[:, None] * rows
    target, x = source + 1e-3 * draw.array(5, 20), rows
    plain = SPACE.transport(x, source, target, 1.0) - x
    damped = PrefixSpace("ridge").transport(x, source, target, 1.0) - x
    assert np.linalg.norm(plain) > 50
    assert np.linalg.norm(damped) < 1


def test_a_zero_source_carries_nothing_by_the_ridge_rule(draw: Draw, facts: Facts) -> None:
    x, target = draw.array(2, 4), draw.array(2, 4)
    found = PrefixSpace("ridge", observe=facts).transport(x, np.zeros((2, 4)), target, 1.0)
    assert found.tolist() == x.tolist()
    assert facts == {"condition_number": [math.inf], "effective_rank": [0.0]}


@pytest.mark.parametrize(
    "arguments",
    [{"rule": "none"}, {"ridge": 0.0}, {"ridge": math.nan}, {"rtol": 1.0}, {"rtol": -1.0}],
)
def test_arguments_are_checked(arguments: dict) -> None:
    with pytest.raises(SpaceError):
        PrefixSpace(**arguments)


def test_points_are_checked(draw: Draw) -> None:
    with pytest.raises(SpaceError, match=r"found shape \(2, 3, 4\)"):
        SPACE.transport(*(draw.array(2, 3, 4) for _ in range(3)), 1.0)
    with pytest.raises(SpaceError, match=r"\(3, 4\), \(2, 4\), \(3, 4\)"):
        SPACE.transport(draw.array(3, 4), draw.array(2, 4), draw.array(3, 4), 1.0)
    with pytest.raises(SpaceError, match="not finite"):
        SPACE.transport(draw.array(1, 2), np.asarray([[np.nan, 1.0]]), draw.array(1, 2), 1.0)
