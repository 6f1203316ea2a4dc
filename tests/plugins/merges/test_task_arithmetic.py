"""Sums of task vectors, worked out by hand (Ilharco et al. 2023, section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.spaces import AdditiveSpace, LowRankSpace, MultiplicativeSpace

if TYPE_CHECKING:
    from xlmerge.plugin import MergeMethod


def test_addition(method: MergeMethod, points: Any, close: Any) -> None:
    """(1, 1) + 0.5 * ((2, 0) + (-1, 4)), the task vectors of (3, 1) and (0, 5)."""
    found = method(
        AdditiveSpace(),
        adapters=[points([3.0, 1.0]), points([0.0, 5.0])],
        weights=[1.0, 1.0],
        initial=points([1.0, 1.0]),
        coefficient=0.5,
    )
    close(found, [1.5, 3.0])


def test_negation(method: MergeMethod, points: Any, close: Any) -> None:
    """Without an initial adapter, the one that does nothing: 0, and for (IA)³ 1."""
    close(method(AdditiveSpace(), adapters=[points([3.0, -1.0])], weights=[-1.0]), [-3.0, 1.0])
    close(method(MultiplicativeSpace(), adapters=[points([1.5])], weights=[-1.0]), [0.5])


def test_analogy(method: MergeMethod, points: Any, close: Any) -> None:
    """A is to B as C is to the result: tau_C + tau_B - tau_A."""
    adapters = [points([7.0, 1.0]), points([2.0, 2.0]), points([1.0, 0.0])]
    found = method(AdditiveSpace(), adapters=adapters, weights=[1.0, 1.0, -1.0])
    close(found, [8.0, 3.0])


def test_an_initial_lora_of_another_rank(
    method: MergeMethod, points: Any, close: Any, product: Any
) -> None:
    a = points.lora([[2.0], [0.0]], [[1.0, 1.0]])
    initial = points.lora([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
    found = method(LowRankSpace(), adapters=[a], weights=[0.5], initial=initial)
    close(product(found), [[1.5, 1.0], [0.0, 0.5]])
