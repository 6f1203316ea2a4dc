"""What the tests of the spaces share."""

from __future__ import annotations

from collections import defaultdict

import pytest

from xlmerge.spaces import Array, LowRank
from xlmerge.testing import Values


class Facts(defaultdict[str, list[float]]):
    """Keeps what a space observes."""

    def __init__(self) -> None:
        super().__init__(list)

    def __call__(self, fact: str, value: float) -> None:
        self[fact].append(value)


class Draw:
    """Random points in float64 NumPy, the reference of every test."""

    def __init__(self, seed: int) -> None:
        self.values = Values("numpy", "float64", seed)

    def array(self, *shape: int) -> Array:
        return self.values(*shape)

    def lora(self, out: int = 9, rank: int = 2, width: int = 6, scale: float = 0.5) -> LowRank:
        return LowRank(self.values(out, rank), self.values(rank, width), scale)


@pytest.fixture
def facts() -> Facts:
    return Facts()


@pytest.fixture
def draw() -> Draw:
    return Draw(seed=7)


@pytest.fixture(params=["numpy", "array_api_compat.torch", "array_api_strict"])
def library(request: pytest.FixtureRequest) -> str:
    pytest.importorskip({"array_api_compat.torch": "torch"}.get(request.param, request.param))
    return request.param
