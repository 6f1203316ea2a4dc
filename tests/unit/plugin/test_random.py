"""Draws hang on names, on nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from xlmerge.plugin import Random

np = pytest.importorskip("numpy")
ARRAY = np.zeros((3, 4), dtype=np.float32)


def draw(seed: int = 1, parameter: str = "p", adapter: str = "a", like: Any = ARRAY) -> Any:
    return Random(seed, parameter, [adapter]).uniform(like, 0).tolist()


def test_the_same_names_give_the_same_draws() -> None:
    assert draw() == draw()
    assert Random(1, "p", ["b", "a"]).uniform(ARRAY, 1).tolist() == draw()


@pytest.mark.parametrize("other", [{"seed": 2}, {"parameter": "q"}, {"adapter": "b"}])
def test_other_names_give_other_draws(other: dict[str, Any]) -> None:
    assert draw(**other) != draw()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_draws_are_like_the_array(dtype: type) -> None:
    drawn = Random(1, "p", ["a"]).uniform(ARRAY.astype(dtype), 0)
    assert (drawn.shape, drawn.dtype) == (ARRAY.shape, dtype)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert drawn.tolist() == draw()
