"""Points from numbers, on every array library; results as numbers again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.plugin import discover
from xlmerge.spaces import LowRank
from xlmerge.testing import Values

if TYPE_CHECKING:
    from numpy import ndarray

    from xlmerge.plugin import MergeMethod

np = pytest.importorskip("numpy")

LIBRARIES = ["numpy", "array_api_compat.torch", "array_api_strict"]
REGISTRY = discover(strict=True)


class Points:
    """Makes points of one array library, in float64 unless said otherwise."""

    def __init__(self, library: str) -> None:
        self.library = library

    def __call__(self, numbers: Any, dtype: str = "float64") -> Any:
        return Values(self.library, dtype, 0).array(numbers)

    def lora(self, left: Any, right: Any, scale: float = 1.0) -> LowRank:
        return LowRank(self(left), self(right), scale)

    def random(self, *shape: int, seed: int = 0) -> Any:
        return Values(self.library, "float64", seed)(*shape)


def numbers(array: Any) -> ndarray:
    return np.from_dlpack(array)


def close(found: Any, expected: Any, rtol: float = 1e-12) -> None:
    np.testing.assert_allclose(numbers(found), expected, rtol=rtol, atol=1e-13, strict=False)


def product(point: LowRank) -> ndarray:
    """The matrix that a low-rank point adds."""
    return point.scale * (numbers(point.left) @ numbers(point.right))


@pytest.fixture(params=LIBRARIES)
def points(request: pytest.FixtureRequest) -> Points:
    name = request.param
    pytest.importorskip("torch" if "torch" in name else name)
    return Points(name)


@pytest.fixture
def method(request: pytest.FixtureRequest) -> MergeMethod:
    """The registered method that the test module is named after."""
    name = request.module.__name__.rpartition(".")[2].removeprefix("test_")
    return REGISTRY.method(name).descriptor


@pytest.fixture(name="close")
def _close() -> Any:
    return close


@pytest.fixture(name="product")
def _product() -> Any:
    return product
