"""A language gap carried to another task (Zhao et al. 2024), in each space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.errors import SpaceError
from xlmerge.spaces import (
    AdditiveSpace,
    Compression,
    DirectSum,
    FactorwiseSpace,
    LowRank,
    LowRankSpace,
    MultiplicativeSpace,
    PrefixSpace,
)
from xlmerge.testing import SAMPLES, Sample
from xlmerge.testing.arrays import dense_numbers

if TYPE_CHECKING:
    from xlmerge.plugin import MergeMethod

np = pytest.importorskip("numpy")

every_space = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)


def carry(method: MergeMethod, space: Any, task: Any, source: Any, target: Any, t: float) -> Any:
    return method(
        space,
        task_in_source=task,
        reference_in_source=source,
        reference_in_target=target,
        t=t,
    )


def test_bottlenecks_add(method: MergeMethod, points: Any, close: Any) -> None:
    """(1, 2) + 0.5 * ((5, 0) - (3, 4))."""
    task, source, target = points([1.0, 2.0]), points([3.0, 4.0]), points([5.0, 0.0])
    close(carry(method, AdditiveSpace(), task, source, target, 0.5), [2.0, 0.0])


def test_ia3_multiplies(method: MergeMethod, points: Any, close: Any) -> None:
    """l_T (1 + t (l_RT / l_RS - 1)): 3 * (1 + 0.5 * (4/2 - 1)), 5 * (1 + 0.5 * (1/4 - 1))."""
    task, source, target = points([[3.0], [5.0]]), points([[2.0], [4.0]]), points([[4.0], [1.0]])
    found = carry(method, MultiplicativeSpace(1e-9), task, source, target, 0.5)
    close(found, [[4.5], [3.125]])


def test_prefixes_by_the_pseudo_inverse(method: MergeMethod, points: Any, close: Any) -> None:
    """RT RS^+ with RS = (2 0 0; 0 1 0), whose pseudo-inverse is (1/2 0; 0 1; 0 0)."""
    task = points([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    source = points([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    target = points([[4.0, 1.0, 9.0], [2.0, 3.0, 9.0]])
    # RT RS^+ = (2 1; 1 3); times the task adapter: (6 9 12; 13 17 21)
    whole = carry(method, PrefixSpace(), task, source, target, 1.0)
    close(whole, [[6.0, 9.0, 12.0], [13.0, 17.0, 21.0]])
    half = carry(method, PrefixSpace(), task, source, target, 0.5)
    close(half, [[3.5, 5.5, 7.5], [8.5, 11.0, 13.5]])


def test_a_prefix_needs_independent_tokens(method: MergeMethod, points: Any) -> None:
    task, target = points([[1.0, 2.0], [0.0, 1.0]]), points([[1.0, 0.0], [0.0, 1.0]])
    source = points([[1.0, 2.0], [2.0, 4.0]])
    with pytest.raises(SpaceError, match="independent tokens"):
        carry(method, PrefixSpace(), task, source, target, 1.0)


def test_lora_adds_products(method: MergeMethod, points: Any, close: Any, product: Any) -> None:
    """((1, 0), (0, 0)) + 2 * (((0, 0), (0, 3)) - ((0, 1), (0, 0))), rank 3."""
    task = points.lora([[1.0], [0.0]], [[1.0, 0.0]])
    source = points.lora([[1.0], [0.0]], [[0.0, 1.0]])
    target = points.lora([[0.0], [3.0]], [[0.0, 2.0]], scale=0.5)
    found = carry(method, LowRankSpace(), task, source, target, 2.0)
    assert found.rank == 3
    close(product(found), [[1.0, -2.0], [0.0, 6.0]])


def test_factors_reproduce_the_published_code(
    method: MergeMethod, points: Any, close: Any, product: Any
) -> None:
    """A and B each T + t (RT - RS): B = (1 + t, 2)^T, A = (1, t) at t = 2."""
    task = points.lora([[1.0], [2.0]], [[1.0, 0.0]])
    source = points.lora([[1.0], [1.0]], [[0.0, 1.0]])
    target = points.lora([[2.0], [1.0]], [[0.0, 2.0]])
    found = carry(method, FactorwiseSpace.of(task), task, source, target, 2.0)
    close(found.left, [[3.0], [2.0]])
    close(found.right, [[1.0, 2.0]])
    close(product(found), [[3.0, 6.0], [2.0, 4.0]])  # the sum of products: ((1, 6), (2, 2))
    exact = carry(method, LowRankSpace(), task, source, target, 2.0)
    close(product(exact), [[1.0, 6.0], [2.0, 2.0]])


def test_the_head_is_the_task_s(method: MergeMethod) -> None:
    assert method.heads == "from task_in_source"
    assert method.distinct == (("reference_in_source", "reference_in_target"),)


class Drawn:
    """Three adapters of a space, and what merges of them do."""

    def __init__(self, method: MergeMethod, sample: Sample) -> None:
        self.method, self.sample = method, sample
        self.task, self.source, self.target = (self.point(seed) for seed in range(3))

    def point(self, seed: int) -> Any:
        return self.sample.point("numpy", "float64", (seed,))

    def numbers(self, point: Any) -> Any:
        return dense_numbers(self.sample.space, point)

    def __call__(self, task: Any, source: Any, target: Any, t: float) -> Any:
        return self.numbers(carry(self.method, self.sample.space, task, source, target, t))


@pytest.fixture
def drawn(method: MergeMethod, sample: Sample) -> Drawn:
    return Drawn(method, sample)


@every_space
def test_equal_references_leave_the_task(drawn: Drawn) -> None:
    found = drawn(drawn.task, drawn.source, drawn.point(1), 1.3)
    np.testing.assert_allclose(found, drawn.numbers(drawn.task), atol=1e-12)


@every_space
def test_t_0_leaves_the_task(drawn: Drawn) -> None:
    found = drawn(drawn.task, drawn.source, drawn.target, 0.0)
    assert found.tolist() == drawn.numbers(drawn.task).tolist()


@every_space
def test_from_the_source_itself_to_the_target(drawn: Drawn) -> None:
    """But for prefixes, which end at the projection of the target."""
    found, expected = drawn(drawn.source, drawn.point(1), drawn.target, 1.0), drawn.target
    if drawn.sample.space.reaches_target:
        np.testing.assert_allclose(found, drawn.numbers(expected), atol=1e-4)  # the ridge
        return
    source = np.asarray(drawn.source)
    projected = drawn.target @ np.linalg.pinv(source) @ source
    np.testing.assert_allclose(found, projected.ravel(), atol=1e-12)
    assert abs(found - drawn.numbers(expected)).max() > 0.1


@every_space
def test_affine_in_t(drawn: Drawn) -> None:
    """In dense terms; the product of merged factors is quadratic (below)."""
    low, middle, high = (
        drawn(drawn.task, drawn.source, drawn.target, t) for t in (0.25, 0.75, 1.25)
    )
    np.testing.assert_allclose(middle, (low + high) / 2, atol=1e-10)


def lora(seed: int, right: Any = None) -> LowRank:
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((2, 5))
    return LowRank(rng.standard_normal((7, 2)), drawn if right is None else right, 0.5)


def test_exchanged_references_go_the_other_way(method: MergeMethod, product: Any) -> None:
    """T + t (RS - RT) is T - t (RT - RS): together with the way there, twice T."""
    task, source, target = (lora(seed) for seed in range(3))
    there = product(carry(method, LowRankSpace(), task, source, target, 0.7))
    back = product(carry(method, LowRankSpace(), task, target, source, 0.7))
    np.testing.assert_allclose(there + back, 2 * product(task), atol=1e-12)


def test_factors_are_quadratic_in_t(method: MergeMethod, product: Any) -> None:
    """With second difference 2 dB dA."""
    task, source, target = (lora(seed) for seed in range(3))
    space = FactorwiseSpace.of(task)
    values = [product(carry(method, space, task, source, target, t)) for t in (0.0, 1.0, 2.0)]
    step = (target.left - source.left) @ (target.right - source.right)
    second = values[0] - 2 * values[1] + values[2]
    np.testing.assert_allclose(second, 2 * task.scale * step, atol=1e-12)


def test_only_products_are_free_of_the_factorisation(method: MergeMethod, product: Any) -> None:
    """(B G, G^-1 A) is the same adapter as (B, A)."""
    task, source, target = (lora(seed) for seed in range(3))
    g = np.array([[2.0, 1.0], [-1.0, 3.0]])
    other = LowRank(target.left @ g, np.linalg.solve(g, target.right), target.scale)
    np.testing.assert_allclose(product(other), product(target), atol=1e-12)
    for space, free in ((LowRankSpace(), True), (FactorwiseSpace.of(task), False)):
        found = [product(carry(method, space, task, source, each, 1.0)) for each in (target, other)]
        assert np.allclose(found[0], found[1], atol=1e-12) == free


def test_with_one_frozen_a_factors_and_products_agree(method: MergeMethod, product: Any) -> None:
    frozen = np.random.default_rng(9).standard_normal((2, 5))
    task, source, target = (lora(seed, frozen) for seed in range(3))
    exact, factors = (
        product(carry(method, space, task, source, target, 0.8))
        for space in (LowRankSpace(), FactorwiseSpace.of(task))
    )
    np.testing.assert_allclose(factors, exact, atol=1e-12)


def test_truncation_is_reported(method: MergeMethod, product: Any) -> None:
    """The relative Frobenius error, as measured."""
    task, source, target = (lora(seed) for seed in range(3))
    facts: dict[str, float] = {}
    exact = product(carry(method, LowRankSpace(), task, source, target, 1.0))
    space = LowRankSpace(Compression(rank=2), observe=facts.__setitem__)
    cut = product(carry(method, space, task, source, target, 1.0))
    measured = np.linalg.norm(cut - exact) / np.linalg.norm(exact)
    assert facts["discarded"] == pytest.approx(measured)
    assert 0 < measured < 1


def test_zeros_in_the_source_stay_finite(method: MergeMethod) -> None:
    """And where both references vanish, the task stays as it is; the clipped are counted."""
    facts: dict[str, float] = {}
    space = MultiplicativeSpace(observe=facts.__setitem__)
    task, source = np.array([2.0, 2.0, 2.0]), np.array([0.0, 1.0, 1.0])
    found = carry(method, space, task, source, np.array([0.0, -2.0, 1.0]), 1.0)
    np.testing.assert_allclose(found, [2.0, -4.0, 2.0], atol=1e-4)
    assert (facts["clipped"], facts["sign_flipped"]) == (1.0, 1.0)


def test_ia3_merges_as_the_weights_it_scales(method: MergeMethod) -> None:
    """diag(l) W: merging l, then folding it in, is folding in, then merging row by row."""
    rng = np.random.default_rng(4)
    weight = rng.standard_normal((3, 4))
    task, source, target = (1 + 0.3 * rng.standard_normal((3, 1)) for _ in range(3))
    space = MultiplicativeSpace(1e-9)
    merged = carry(method, space, task, source, target, 0.6) * weight
    folded = carry(method, space, task * weight, source * weight, target * weight, 0.6)
    np.testing.assert_allclose(merged, folded, rtol=1e-6)


def test_a_whole_adapter_is_its_parameters(method: MergeMethod) -> None:
    space = DirectSum({"scale": MultiplicativeSpace(), "down": AdditiveSpace()})
    rng = np.random.default_rng(0)
    task, source, target = (
        {"scale": 1 + rng.random(3), "down": rng.standard_normal(4)} for _ in range(3)
    )
    whole = carry(method, space, task, source, target, 0.5)
    for name, member in space.members.items():
        alone = carry(method, member, task[name], source[name], target[name], 0.5)
        np.testing.assert_array_equal(whole[name], alone)
