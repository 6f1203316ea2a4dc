"""TIES against algorithm 1 of Yadav et al. 2023, written down once more in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.errors import ParameterError, SpaceError
from xlmerge.spaces import (
    AdditiveSpace,
    Compression,
    DirectSum,
    FactorwiseSpace,
    LowRankSpace,
    MultiplicativeSpace,
)

if TYPE_CHECKING:
    from numpy import ndarray

    from xlmerge.plugin import MergeMethod

np = pytest.importorskip("numpy")


def algorithm_1(task_vectors: list[ndarray], kept: int, coefficient: float = 1.0) -> ndarray:
    """The published algorithm, entry by entry.

    Trim: the ``kept`` largest entries of each task vector stay. Elect: the sign of their sum.
    Merge: the mean of those that have this sign.
    """
    trimmed = []
    for task_vector in task_vectors:
        threshold = sorted(abs(task_vector), reverse=True)[kept - 1]
        trimmed.append([entry if abs(entry) >= threshold else 0.0 for entry in task_vector])
    merged = []
    for entries in zip(*trimmed, strict=True):
        gamma = np.sign(sum(entries))
        agreeing = [entry for entry in entries if np.sign(entry) == gamma and entry != 0]
        merged.append(coefficient * sum(agreeing) / len(agreeing) if agreeing else 0.0)
    return np.array(merged)


def test_by_hand(method: MergeMethod, points: Any, close: Any) -> None:
    """Half of 4 entries stay: (4, -3, ., .), (-2, ., ., 3), (., -5, 2, .).

    Sums 2, -8, 2, 3; so 4 wins alone, -3 and -5 together, 2 and 3 alone.
    """
    adapters = [
        points([4.0, -3.0, 1.0, 0.5]),
        points([-2.0, 1.0, 0.0, 3.0]),
        points([1.0, -5.0, 2.0, -1.5]),
    ]
    found = method(AdditiveSpace(), adapters=adapters, density=0.5)
    close(found, [4.0, -4.0, 2.0, 3.0])
    found = method(AdditiveSpace(), adapters=adapters, density=0.5, coefficient=0.5)
    close(found, [2.0, -2.0, 1.0, 1.5])


@pytest.mark.parametrize("density", [0.05, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_as_published(
    method: MergeMethod, points: Any, close: Any, density: float, count: int
) -> None:
    adapters = [points.random(4, 25, seed=seed) for seed in range(count)]
    vectors = [np.from_dlpack(adapter).ravel() for adapter in adapters]
    found = method(AdditiveSpace(), adapters=adapters, density=density, coefficient=0.7)
    expected = algorithm_1(vectors, round(100 * density), 0.7)
    close(found, expected.reshape(4, 25))


def test_over_the_whole_adapter(method: MergeMethod, points: Any, close: Any) -> None:
    """The thresholds are those of all entries together: x keeps three, y none."""
    space = DirectSum({"x": AdditiveSpace(), "y": AdditiveSpace()})
    a = {"x": points([5.0, -6.0, 7.0]), "y": points([1.0, 2.0, 3.0])}
    b = {"x": points([5.0, 6.0, -8.0]), "y": points([-1.0, 2.0, 3.0])}
    whole = method(space, adapters=[a, b], density=0.5)
    close(whole["x"], [5.0, 0.0, -8.0])  # 6 - 6 cancels: nobody wins
    close(whole["y"], [0.0, 0.0, 0.0])
    for name, expected in {"x": [0.0, 0.0, -8.0], "y": [0.0, 2.0, 3.0]}.items():
        alone = method(AdditiveSpace(), adapters=[a[name], b[name]], density=0.67)
        close(alone, expected)
    assert method.scopes[0] == "adapter"


@pytest.mark.parametrize("scope", ["parameter", "adapter"])
def test_thresholds_and_scopes_as_published(
    method: MergeMethod, points: Any, close: Any, scope: str
) -> None:
    shapes = {"x": (3, 7), "y": (2, 2), "z": (9,)}
    adapters = [
        {
            name: points.random(*shape, seed=10 * at + len(name * at))
            for name, shape in shapes.items()
        }
        for at in range(3)
    ]
    flat = [
        {name: np.from_dlpack(array).ravel() for name, array in adapter.items()}
        for adapter in adapters
    ]
    space = DirectSum({name: AdditiveSpace() for name in shapes})
    if scope == "adapter":
        found = method(space, adapters=adapters, density=0.5)
        expected = algorithm_1([np.concatenate(list(a.values())) for a in flat], 17)
        close(np.concatenate([np.from_dlpack(found[name]).ravel() for name in shapes]), expected)
        return
    for name in shapes:
        found = method(AdditiveSpace(), adapters=[a[name] for a in adapters], density=0.5)
        vectors = [a[name] for a in flat]
        expected = algorithm_1(vectors, round(0.5 * vectors[0].size))
        close(np.from_dlpack(found).ravel(), expected)


def test_other_spaces_by_their_deltas(
    method: MergeMethod, points: Any, close: Any, product: Any
) -> None:
    """(IA)³ by l - 1, LoRA by its product, factors only by name."""
    a, b = points([1.5, 0.0]), points([1.1, -1.0])
    close(method(MultiplicativeSpace(), adapters=[a, b], density=1.0), [1.3, -0.5])
    a = points.lora([[1.0], [2.0]], [[1.0, -1.0]], scale=2.0)
    b = points.lora([[1.0], [-1.0]], [[2.0, 0.0]], scale=1.0)
    # Products ((2, -2), (4, -4)) and ((2, 0), (-2, 0)).
    found = method(LowRankSpace(Compression(rank=2)), adapters=[a, b], density=1.0)
    close(product(found), [[2.0, -2.0], [4.0, -4.0]], rtol=1e-9)
    with pytest.raises(SpaceError, match="not a low-rank parameter"):
        method(LowRankSpace(), adapters=[a, b], density=1.0)
    b = points.lora([[1.0], [-1.0]], [[2.0, 0.0]], scale=2.0)
    found = method(FactorwiseSpace.of(a), adapters=[a, b], density=1.0)
    close(found.left, [[1.0], [2.0]])
    close(found.right, [[1.5, -1.0]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_identical_adapters_come_back(
    method: MergeMethod, points: Any, close: Any, dtype: str, count: int
) -> None:
    """Bit for bit in float32: the mean is taken in float64. PEFT halves them at weights .5, .5."""
    row = [0.1, -0.2, 0.3, 1e-7, 12345.678]
    found = method(
        AdditiveSpace(), adapters=[points(row, dtype) for _ in range(count)], density=1.0
    )
    expected = np.from_dlpack(points(row, dtype))
    if dtype == "float32":
        assert np.from_dlpack(found).tolist() == expected.tolist()
    close(found, expected)


def test_votes_that_cancel_exactly(method: MergeMethod, points: Any, close: Any) -> None:
    """0 as in algorithm 1, where sgn(0) = 0; even if the sum cancels only in real arithmetic."""
    found = method(AdditiveSpace(), adapters=[points([2.0, 1.0]), points([-2.0, 1.0])], density=1)
    close(found, [0.0, 1.0])
    big = 2.0**24
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        entries = [[big], [1.0], [-big - 2]]  # in float32, big + 1 is big: the vote would flip
        adapters = [points(entries[at], "float32") for at in order]
        found = method(AdditiveSpace(), adapters=adapters, density=1.0)
        close(found, [-big - 2])


def test_nothing_to_vote_on(method: MergeMethod, points: Any, close: Any) -> None:
    close(method(AdditiveSpace(), adapters=[points([0.0, 0.0])] * 2), [0.0, 0.0])


@pytest.mark.parametrize(("density", "kept"), [(0.07, 7), (0.29, 29), (0.0001, 1), (1.0, 100)])
def test_the_share_kept_is_what_it_says(
    method: MergeMethod, points: Any, density: float, kept: int
) -> None:
    """0.07 * 100 is 7.000000000000001 and 0.29 * 100 is 28.999999999999996 in floating point."""
    adapter = points.random(100)
    zero = points([0.0] * 100)
    found = np.from_dlpack(method(AdditiveSpace(), adapters=[adapter, zero], density=density))
    assert np.count_nonzero(found) == kept


def test_one_adapter_is_not_trimmed_for_nothing(
    method: MergeMethod, points: Any, close: Any
) -> None:
    with pytest.raises(ParameterError, match="one adapter") as caught:
        method(AdditiveSpace(), adapters=[points([1.0, 2.0])], density=0.2)
    assert "density: 1" in str(caught.value.hint)
    close(method(AdditiveSpace(), adapters=[points([1.0, 2.0])], density=1.0), [1.0, 2.0])


def test_it_takes_no_weights(method: MergeMethod) -> None:
    assert method.weighted == "no"


@pytest.mark.libraries
@pytest.mark.parametrize("density", [0.1, 0.5, 0.9])
def test_as_peft_where_votes_do_not_cancel(method: MergeMethod, density: float) -> None:
    """With weights 1 and per parameter, PEFT computes the same."""
    torch = pytest.importorskip("torch")
    peft = pytest.importorskip("peft.utils.merge_utils")
    generator = torch.Generator().manual_seed(0)
    adapters = [torch.randn(20, 10, generator=generator, dtype=torch.float64) for _ in range(3)]
    expected = peft.ties(adapters, torch.ones(3, dtype=torch.float64), density)
    found = method(AdditiveSpace(), adapters=adapters, density=density)
    torch.testing.assert_close(found, expected)


@pytest.mark.libraries
def test_peft_gives_cancelled_votes_to_the_positive(method: MergeMethod) -> None:
    """Where we differ on purpose."""
    torch = pytest.importorskip("torch")
    peft = pytest.importorskip("peft.utils.merge_utils")
    stacked = torch.tensor([[2.0], [-2.0]])
    assert peft.calculate_majority_sign_mask(stacked).tolist() == [[True], [False]]
    found = method(AdditiveSpace(), adapters=list(stacked), density=1.0)
    assert found.tolist() == [0.0]
