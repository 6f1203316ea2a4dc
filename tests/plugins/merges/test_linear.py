"""Weighted sums, worked out by hand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.errors import ParameterError
from xlmerge.spaces import (
    AdditiveSpace,
    Compression,
    DirectSum,
    FactorwiseSpace,
    LowRankSpace,
    MultiplicativeSpace,
    PrefixSpace,
)

if TYPE_CHECKING:
    from xlmerge.plugin import MergeMethod


def test_additive(method: MergeMethod, points: Any, close: Any) -> None:
    a, b = points([1.0, 2.0, -3.0]), points([4.0, 0.0, 1.0])
    found = method(AdditiveSpace(), adapters=[a, b], weights=[0.25, 0.75])
    close(found, [3.25, 0.5, 0.0])


def test_prefixes_add_as_matrices(method: MergeMethod, points: Any, close: Any) -> None:
    a, b = points([[1.0, 0.0], [2.0, 2.0]]), points([[3.0, 1.0], [0.0, -2.0]])
    found = method(PrefixSpace(), adapters=[a, b], weights=[1.0, -1.0])
    close(found, [[-2.0, -1.0], [2.0, 4.0]])


def test_ia3_adds_what_differs_from_one(method: MergeMethod, points: Any, close: Any) -> None:
    """Both libraries sum the vectors themselves, to (-0.5, -0.5): the signs would flip."""
    a, b = points([[1.5], [0.5]]), points([[2.0], [1.0]])
    found = method(MultiplicativeSpace(), adapters=[a, b], weights=[1.0, -1.0])
    close(found, [[0.5], [0.5]])


def test_lora_adds_products_of_any_rank_and_scale(
    method: MergeMethod, points: Any, close: Any, product: Any
) -> None:
    a = points.lora([[1.0], [2.0]], [[1.0, 0.0, 1.0]], scale=2.0)
    b = points.lora([[1.0], [0.0]], [[0.0, 1.0, 0.0]], scale=0.5)
    found = method(LowRankSpace(), adapters=[a, b], weights=[0.5, 2.0])
    assert found.rank == 2
    close(product(found), [[1.0, 1.0, 1.0], [2.0, 0.0, 2.0]])


def test_lora_compressed_reports_what_is_lost(
    method: MergeMethod, points: Any, product: Any
) -> None:
    """For the matrix M above, M @ M.T = ((3, 4), (4, 8)), with eigenvalues (11 ± √89) / 2."""
    facts: dict[str, float] = {}
    space = LowRankSpace(Compression(rank=1), observe=facts.__setitem__)
    a = points.lora([[1.0], [2.0]], [[1.0, 0.0, 1.0]], scale=2.0)
    b = points.lora([[1.0], [0.0]], [[0.0, 1.0, 0.0]], scale=0.5)
    found = method(space, adapters=[a, b], weights=[0.5, 2.0])
    assert found.rank == 1
    assert facts["discarded"] == pytest.approx(math.sqrt((11 - math.sqrt(89)) / 22))
    kept = float((product(found) ** 2).sum())
    assert kept == pytest.approx((11 + math.sqrt(89)) / 2)


def test_factors_add_each_for_itself(
    method: MergeMethod, points: Any, close: Any, product: Any
) -> None:
    """Not the mean of the products ((0.5, 3), (1, 0)): cross terms arise."""
    a = points.lora([[1.0], [2.0]], [[1.0, 0.0]])
    b = points.lora([[3.0], [0.0]], [[0.0, 2.0]])
    found = method(FactorwiseSpace.of(a), adapters=[a, b], weights=[0.5, 0.5])
    close(product(found), [[1.0, 2.0], [0.5, 1.0]])


def test_a_direct_sum_adds_member_by_member(method: MergeMethod, points: Any, close: Any) -> None:
    space = DirectSum({"down": AdditiveSpace(), "scale": MultiplicativeSpace()})
    a, b = (
        {"down": points([1.0, 2.0]), "scale": points([3.0])},
        {"down": points([0.0, 4.0]), "scale": points([2.0])},
    )
    found = method(space, adapters=[a, b], weights=[0.5, 0.5])
    close(found["down"], [0.5, 3.0])
    close(found["scale"], [2.5])


@pytest.mark.parametrize("weights", [[3.0, 1.0], [-3.0, -1.0], [1.5, 0.5]])
def test_normalized_weights_are_shares(
    method: MergeMethod, points: Any, close: Any, weights: list[float]
) -> None:
    a, b = points([4.0]), points([8.0])
    found = method(AdditiveSpace(), adapters=[a, b], weights=weights, normalize=True)
    close(found, [5.0])


@pytest.mark.parametrize("weights", [[1.0, -1.0], [0.1, 0.2, -0.3], [0.0, 0.0]])
def test_weights_that_sum_to_zero_cannot_be_normalized(
    method: MergeMethod, points: Any, weights: list[float]
) -> None:
    adapters = [points([1.0]) for _ in weights]
    with pytest.raises(ParameterError, match="sum to 0"):
        method(AdditiveSpace(), adapters=adapters, weights=weights, normalize=True)


def test_nothing_is_normalized_unasked(method: MergeMethod, points: Any, close: Any) -> None:
    a, b = points([4.0]), points([8.0])
    assert not next(spec for spec in method.parameters if spec.name == "normalize").default
    close(method(AdditiveSpace(), adapters=[a, b], weights=[1.0, -1.0]), [-4.0])
    close(method(AdditiveSpace(), adapters=[a, b], weights=[0.0, 0.0]), [0.0])
    close(method(MultiplicativeSpace(), adapters=[a, b], weights=[0.0, 0.0]), [1.0])
