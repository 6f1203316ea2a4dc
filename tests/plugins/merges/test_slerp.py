"""Points on arcs, worked out by hand (Shoemake 1985)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.errors import MergeError
from xlmerge.spaces import AdditiveSpace, DirectSum, LowRankSpace, MultiplicativeSpace

if TYPE_CHECKING:
    from xlmerge.plugin import MergeMethod

HALF = math.sqrt(0.5)


def slerp(method: MergeMethod, a: Any, b: Any, t: float, space: Any = None) -> Any:
    return method(space or AdditiveSpace(), adapters=[a, b], t=t)


@pytest.mark.parametrize(
    ("t", "expected"),
    [
        (0.0, [1.0, 0.0]),
        (1 / 3, [math.cos(math.pi / 6), 0.5]),
        (0.5, [HALF, HALF]),
        (1.0, [0.0, 1.0]),
    ],
)
def test_a_quarter_of_the_unit_circle(
    method: MergeMethod, points: Any, close: Any, t: float, expected: list[float]
) -> None:
    close(slerp(method, points([1.0, 0.0]), points([0.0, 1.0]), t), expected)


def test_sixty_degrees(method: MergeMethod, points: Any, close: Any) -> None:
    """Half-way between 0 and 60 degrees is 30 degrees."""
    b = points([0.5, math.sqrt(3) / 2])
    close(slerp(method, points([1.0, 0.0]), b, 0.5), [math.sqrt(3) / 2, 0.5])


def test_lengths_are_not_touched(method: MergeMethod, points: Any, close: Any) -> None:
    """Angle 90 degrees: sin 45 (3, 0) + sin 45 (0, 4)."""
    found = slerp(method, points([3.0, 0.0]), points([0.0, 4.0]), 0.5)
    close(found, [3 * HALF, 4 * HALF])


def test_ia3_turns_about_one(method: MergeMethod, points: Any, close: Any) -> None:
    a, b = points([2.0, 1.0]), points([1.0, 2.0])
    close(slerp(method, a, b, 0.5, MultiplicativeSpace()), [1 + HALF, 1 + HALF])


def test_lora_turns_its_product(method: MergeMethod, points: Any, close: Any, product: Any) -> None:
    a = points.lora([[2.0], [0.0]], [[0.5, 0.0]])
    b = points.lora([[0.0], [1.0]], [[0.0, 1.0]])
    found = slerp(method, a, b, 0.5, LowRankSpace())
    close(product(found), [[HALF, 0.0], [0.0, HALF]])


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
def test_equal_adapters(method: MergeMethod, points: Any, close: Any, t: float) -> None:
    close(slerp(method, points([1.0, -2.0]), points([1.0, -2.0]), t), [1.0, -2.0])


@pytest.mark.parametrize("t", [0.0, 0.25, 1.0])
def test_the_same_direction_is_a_straight_line(
    method: MergeMethod, points: Any, close: Any, t: float
) -> None:
    found = slerp(method, points([1.0, 2.0]), points([3.0, 6.0]), t)
    close(found, [1 + 2 * t, 2 + 4 * t])


@pytest.mark.parametrize("t", [0.0, 0.25, 1.0])
def test_from_zero_is_a_straight_line(
    method: MergeMethod, points: Any, close: Any, t: float
) -> None:
    close(slerp(method, points([0.0, 0.0]), points([4.0, 8.0]), t), [4 * t, 8 * t])
    close(slerp(method, points([4.0, 8.0]), points([0.0, 0.0]), t), [4 * (1 - t), 8 * (1 - t)])


def test_nearly_equal_directions_join_on(method: MergeMethod, points: Any, close: Any) -> None:
    """The arc goes over into the line without a step."""
    for angle in (1e-8, 9.9e-7, 1.1e-6, 1e-4):
        b = points([math.cos(angle), math.sin(angle)])
        found = slerp(method, points([1.0, 0.0]), b, 0.5)
        close(found, [math.cos(angle / 2), math.sin(angle / 2)], rtol=1e-8)


def test_opposite_directions_have_no_shortest_arc(
    method: MergeMethod, points: Any, close: Any
) -> None:
    a, b = points([1.0, -2.0, 0.1]), points([-3.0, 6.0, -0.3])
    for t in (0.25, 0.5):
        with pytest.raises(MergeError, match="opposite") as caught:
            slerp(method, a, b, t)
        assert caught.value.hint
    close(slerp(method, a, b, 0.0), [1.0, -2.0, 0.1])
    close(slerp(method, a, b, 1.0), [-3.0, 6.0, -0.3])


def test_obtuse_angles_are_arcs(method: MergeMethod, points: Any, close: Any) -> None:
    """Half-way between 0 and 120 degrees is 60 degrees; quaternions would be turned round first."""
    b = points([-0.5, math.sqrt(3) / 2])
    close(slerp(method, points([1.0, 0.0]), b, 0.5), [0.5, math.sqrt(3) / 2])


def test_one_angle_per_parameter_or_one_for_all(
    method: MergeMethod, points: Any, close: Any
) -> None:
    """x turns by 90 degrees, y stays; over both, the cosine is 9 / 10.

    So over the whole adapter all get one coefficient, sin(w / 2) / sin(w) = 1 / (2 cos(w / 2)).
    """
    a = {"x": points([1.0, 0.0]), "y": points([3.0])}
    b = {"x": points([0.0, 1.0]), "y": points([3.0])}
    close(slerp(method, a["x"], b["x"], 0.5), [HALF, HALF])
    close(slerp(method, a["y"], b["y"], 0.5), [3.0])
    whole = slerp(method, a, b, 0.5, DirectSum({"x": AdditiveSpace(), "y": AdditiveSpace()}))
    coefficient = 1 / (2 * math.sqrt((1 + 0.9) / 2))
    close(whole["x"], [coefficient, coefficient])
    close(whole["y"], [6 * coefficient])


def test_swapping_the_adapters_swaps_the_ends(method: MergeMethod, points: Any, close: Any) -> None:
    a, b = points.random(5, seed=1), points.random(5, seed=2)
    expected = slerp(method, a, b, 0.3)
    import numpy as np

    close(slerp(method, b, a, 0.7), np.from_dlpack(expected))
