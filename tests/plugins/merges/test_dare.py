"""Random dropping (Yu et al. 2024): which entries, how many, and what it means on average."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.errors import ParameterError
from xlmerge.plugin import Random
from xlmerge.spaces import AdditiveSpace, Compression, LowRankSpace, MultiplicativeSpace

if TYPE_CHECKING:
    from xlmerge.plugin import MergeMethod

np = pytest.importorskip("numpy")


def dare(method: MergeMethod, adapters: list[Any], weights: list[float], **more: Any) -> Any:
    seed, space = more.pop("seed", 0), more.pop("space", AdditiveSpace())
    names = more.pop("names", [f"adapter {at}" for at in range(len(adapters))])
    rng = Random(seed, more.pop("parameter", "p"), names)
    return method(space, adapters=adapters, weights=weights, rng=rng, **more)


def test_by_the_draws(method: MergeMethod, points: Any, close: Any) -> None:
    """Kept where the draw reaches p, times w / (1 - p)."""
    a, b = points.random(30, seed=1), points.random(30, seed=2)
    rng = Random(5, "p", ["adapter 0", "adapter 1"])
    masks = [rng.uniform(np.zeros(30), at) >= 0.75 for at in (0, 1)]
    expected = [0.5 / 0.25 * np.from_dlpack(a) * masks[0] - 2 / 0.25 * np.from_dlpack(b) * masks[1]]
    found = dare(method, [a, b], [0.5, -2.0], drop_rate=0.75, seed=5)
    close(found, expected[0])


def test_no_drops_are_a_weighted_sum(
    method: MergeMethod, points: Any, close: Any, product: Any
) -> None:
    a, b = points([1.0, 2.0, -3.0]), points([4.0, 0.0, 1.0])
    close(dare(method, [a, b], [0.25, 0.75], drop_rate=0.0), [3.25, 0.5, 0.0])
    space = MultiplicativeSpace()
    close(dare(method, [a, b], [0.5, -0.5], drop_rate=0.0, space=space), [-0.5, 2.0, -1.0])
    a, b = points.lora([[1.0], [2.0]], [[1.0, 0.0]]), points.lora([[3.0], [0.0]], [[0.0, 2.0]])
    space = LowRankSpace(Compression(rank=2))
    found = dare(method, [a, b], [0.5, 0.5], drop_rate=0.0, space=space)
    close(product(found), [[0.5, 3.0], [1.0, 0.0]], rtol=1e-9)


@pytest.mark.parametrize("drop_rate", [0.1, 0.5, 0.9])
def test_unbiased_over_seeds(method: MergeMethod, drop_rate: float) -> None:
    """The mean of n seeds is within five standard errors, |w x| sqrt(p / (1 - p) / n)."""
    x, y, seeds = np.array([1.0, -2.0, 0.5]), np.array([4.0, 1.0, 0.0]), 3000
    runs = [dare(method, [x, y], [0.5, -1.0], drop_rate=drop_rate, seed=s) for s in range(seeds)]
    error = np.sqrt((0.5 * x) ** 2 + y**2) * np.sqrt(drop_rate / (1 - drop_rate) / seeds)
    assert (abs(np.mean(runs, axis=0) - (0.5 * x - y)) <= 5 * error + 1e-12).all()


def test_the_share_dropped(method: MergeMethod) -> None:
    ones = np.ones(100_000, dtype=np.float32)
    found = dare(method, [ones, 0 * ones], [1.0, 1.0])
    np.testing.assert_allclose(found[found != 0], 10.0, rtol=1e-6)
    assert (found == 0).mean() == pytest.approx(0.9, abs=0.005)  # 0.9 by default, 5 sigma


def test_masks_of_adapters_are_independent(method: MergeMethod) -> None:
    ones = np.ones(10_000)
    found = dare(method, [ones, ones], [1.0, 100.0], drop_rate=0.5)
    shares = [(found == value).mean() for value in (0.0, 2.0, 200.0, 202.0)]
    assert shares == [pytest.approx(0.25, abs=0.025)] * 4


def test_names_decide_the_draws(method: MergeMethod, points: Any) -> None:
    a, b = points.random(50, seed=1), points.random(50, seed=2)
    first = np.from_dlpack(dare(method, [a, b], [1.0, 2.0], names=["a", "b"])).tolist()
    turned = np.from_dlpack(dare(method, [b, a], [2.0, 1.0], names=["b", "a"])).tolist()
    assert turned == first
    for other in ({"names": ["a", "c"]}, {"seed": 1}, {"parameter": "q"}):
        changed = dare(method, [a, b], [1.0, 2.0], **{"names": ["a", "b"], **other})
        assert np.from_dlpack(changed).tolist() != first


def test_one_adapter_is_not_damaged_for_nothing(
    method: MergeMethod, points: Any, close: Any
) -> None:
    with pytest.raises(ParameterError, match="single one") as caught:
        dare(method, [points([1.0, 2.0])], [1.0])
    assert "drop_rate: 0" in str(caught.value.hint)
    close(dare(method, [points([1.0, 2.0])], [1.0], drop_rate=0.0), [1.0, 2.0])


@pytest.mark.libraries
def test_as_peft_without_drops(method: MergeMethod) -> None:
    """PEFT draws other numbers; at density 1 there are none."""
    torch = pytest.importorskip("torch")
    peft = pytest.importorskip("peft.utils.merge_utils")
    adapters = [torch.tensor([1.0, 2.0]), torch.tensor([-3.0, 0.5])]
    with pytest.warns(UserWarning, match="no pruning"):
        expected = peft.dare_linear(adapters, torch.tensor([0.5, 2.0]), 1.0)
    found = dare(method, adapters, [0.5, 2.0], drop_rate=0.0)
    torch.testing.assert_close(found, expected)
