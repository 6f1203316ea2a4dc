"""What must hold of linear merges whatever the numbers, in every space.

The identities are numbered in the specification of language arithmetic: merging with 1 and 0,
exchanging adapters, merging equals, the form with theta_0, linearity, three languages, negation.
"""

from __future__ import annotations

from typing import Any

import pytest

from xlmerge.plugin import MergeMethod, discover
from xlmerge.spaces import MultiplicativeSpace
from xlmerge.testing import SAMPLES, Sample
from xlmerge.testing.arrays import dense_numbers, numbers, raw_bytes

np = pytest.importorskip("numpy")

REGISTRY = discover(strict=True)
LINEAR = ["linear", "task_arithmetic", "language_arithmetic"]
BOTH = ["task_arithmetic", "language_arithmetic"]
LAMBDAS = [0.0, 0.2, 0.5, 0.75, 1.0]

pytestmark = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)


class Adapters:
    """Random adapters of a space, and their merges as numbers."""

    def __init__(self, sample: Sample) -> None:
        self.sample = sample
        self.a, self.b, self.c, self.initial = (
            sample.point("numpy", "float64", (seed,)) for seed in range(4)
        )

    def again(self, seed: int) -> Any:
        return self.sample.point("numpy", "float64", (seed,))

    def merge(
        self, method: MergeMethod, adapters: list[Any], weights: list[float], **more: Any
    ) -> Any:
        return method(self.sample.space, adapters=adapters, weights=weights, **more)

    def of(self, point: Any) -> Any:
        return dense_numbers(self.sample.space, point)


@pytest.fixture
def drawn(sample: Sample) -> Adapters:
    return Adapters(sample)


def named(name: str) -> MergeMethod:
    return REGISTRY.method(name).descriptor


@pytest.mark.parametrize("name", LINEAR)
def test_weights_1_and_0_give_one_adapter_back(drawn: Adapters, name: str) -> None:
    for weights, expected in (([1.0, 0.0], drawn.a), ([0.0, 1.0], drawn.b)):
        found = drawn.merge(named(name), [drawn.a, drawn.b], weights)
        if isinstance(drawn.sample.space, MultiplicativeSpace) or drawn.sample.several:
            # 1 + (x - 1) rounds
            np.testing.assert_allclose(numbers(found), numbers(expected), rtol=0, atol=1e-15)
        else:
            assert raw_bytes(found) == raw_bytes(expected)


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("share", LAMBDAS)
def test_adapters_can_be_exchanged_with_their_weights(
    drawn: Adapters, name: str, share: float
) -> None:
    one = drawn.merge(named(name), [drawn.a, drawn.b], [share, 1 - share])
    other = drawn.merge(named(name), [drawn.b, drawn.a], [1 - share, share])
    np.testing.assert_allclose(drawn.of(one), drawn.of(other), atol=1e-12)


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("share", LAMBDAS)
def test_equal_adapters_give_the_adapter(drawn: Adapters, name: str, share: float) -> None:
    found = drawn.merge(named(name), [drawn.a, drawn.again(0)], [share, 1 - share])
    np.testing.assert_allclose(drawn.of(found), drawn.of(drawn.a), atol=1e-12)


@pytest.mark.parametrize("name", BOTH)
def test_theta_0_cancels_when_weights_sum_to_1(drawn: Adapters, name: str) -> None:
    two = [drawn.a, drawn.b]
    with_initial = drawn.merge(named(name), two, [0.3, 0.7], initial=drawn.initial)
    without = drawn.merge(named(name), two, [0.3, 0.7])
    np.testing.assert_allclose(drawn.of(with_initial), drawn.of(without), atol=1e-12)


@pytest.mark.parametrize("name", BOTH)
def test_theta_0_matters_otherwise(drawn: Adapters, name: str) -> None:
    """By (1 - sum w) theta_0."""
    found = drawn.merge(named(name), [drawn.a, drawn.b], [0.3, 0.5], initial=drawn.initial)
    a, b, initial = (drawn.of(point) for point in (drawn.a, drawn.b, drawn.initial))
    # Of factors the sum is that of dense pairs, so this holds there, too.
    np.testing.assert_allclose(drawn.of(found), 0.3 * a + 0.5 * b + 0.2 * initial, atol=1e-12)


@pytest.mark.parametrize("name", LINEAR)
def test_merges_are_linear_in_lambda(drawn: Adapters, name: str) -> None:
    low, middle, high = (
        drawn.of(drawn.merge(named(name), [drawn.a, drawn.b], [share, 1 - share]))
        for share in (0.2, 0.5, 0.8)
    )
    np.testing.assert_allclose(middle, (low + high) / 2, atol=1e-12)


@pytest.mark.parametrize("name", LINEAR)
def test_three_at_once_are_two_and_then_one(drawn: Adapters, name: str) -> None:
    """Weights of the first merge are those of the whole over their sum."""
    method = named(name)
    at_once = drawn.merge(method, [drawn.a, drawn.b, drawn.c], [0.2, 0.3, 0.5])
    two = drawn.merge(method, [drawn.a, drawn.b], [0.4, 0.6])
    in_turn = drawn.merge(method, [two, drawn.c], [0.5, 0.5])
    np.testing.assert_allclose(drawn.of(at_once), drawn.of(in_turn), atol=1e-12)


@pytest.mark.parametrize("name", BOTH)
def test_what_was_taken_away_can_be_put_back(drawn: Adapters, name: str) -> None:
    """theta_0 - l tau, then + l tau, is theta_0."""
    method, a, initial = named(name), drawn.a, drawn.initial
    less = drawn.merge(method, [a], [-0.6], initial=initial)
    tau = drawn.of(a) - drawn.of(initial)
    np.testing.assert_allclose(drawn.of(less), drawn.of(initial) - 0.6 * tau, atol=1e-12)
    # less + 0.6 (a - initial), as a merge of the three with theta_0
    back = drawn.merge(method, [less, a], [1.0, 0.6], initial=initial)
    np.testing.assert_allclose(drawn.of(back), drawn.of(initial), atol=1e-12)


@pytest.mark.parametrize("name", BOTH)
def test_the_task_vector_of_the_initial_adapter_is_zero(drawn: Adapters, name: str) -> None:
    for weight in (0.0, 0.5, -2.0):
        found = drawn.merge(named(name), [drawn.again(3)], [weight], initial=drawn.initial)
        np.testing.assert_allclose(drawn.of(found), drawn.of(drawn.initial), atol=1e-12)
