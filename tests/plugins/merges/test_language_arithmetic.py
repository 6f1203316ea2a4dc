"""Weighted language vectors (Klimaszewski et al. 2025)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.errors import ParameterError
from xlmerge.spaces import AdditiveSpace

if TYPE_CHECKING:
    from xlmerge.plugin import MergeMethod


def test_lambda_is_on_the_first_language(method: MergeMethod, points: Any, close: Any) -> None:
    """0.4 * (1, 2) + 0.6 * (6, -3)."""
    found = method(
        AdditiveSpace(),
        adapters=[points([1.0, 2.0]), points([6.0, -3.0])],
        weights=[0.4, 0.6],
    )
    close(found, [4.0, -1.0])


def test_with_the_initial_adapter_weights_are_free(
    method: MergeMethod, points: Any, close: Any
) -> None:
    """(1, 1) + 0.5 * (2, 0) + 1.5 * (0, -2)."""
    found = method(
        AdditiveSpace(),
        adapters=[points([3.0, 1.0]), points([1.0, -1.0])],
        weights=[0.5, 1.5],
        initial=points([1.0, 1.0]),
    )
    close(found, [2.0, -2.0])


@pytest.mark.parametrize(
    "weights", [[0.4, 0.5], [1.0, -1.0], [0.0, 0.0], [0.5, 0.50001], [2.0, -0.9]]
)
def test_other_weights_need_it(method: MergeMethod, points: Any, weights: list[float]) -> None:
    with pytest.raises(ParameterError, match="training started from") as caught:
        method(AdditiveSpace(), adapters=[points([1.0]), points([2.0])], weights=weights)
    assert "`initial`" in str(caught.value.hint)
    assert f"{weights[0]:g}, {weights[1]:g}" in caught.value.message


@pytest.mark.parametrize(
    "weights", [[0.333333, 0.333333, 0.333333], [0.1] * 10, [1.0], [1.5, -0.5]]
)
def test_rounding_is_forgiven(method: MergeMethod, points: Any, weights: list[float]) -> None:
    method(AdditiveSpace(), adapters=[points([1.0]) for _ in weights], weights=weights)


def test_one_language_at_half_strength_is_refused(method: MergeMethod, points: Any) -> None:
    with pytest.raises(ParameterError):
        method(AdditiveSpace(), adapters=[points([1.0])], weights=[0.5])


def test_heads_are_dropped(method: MergeMethod) -> None:
    assert method.heads == "drop"
