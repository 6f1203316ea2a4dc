"""Every space obeys the laws, on every array library, in both dtypes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

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
from xlmerge.testing import SpaceSuite

if TYPE_CHECKING:
    from xlmerge.spaces import Array
    from xlmerge.testing import Values


def lora(values: Values, scale: float = 0.5) -> LowRank:
    return LowRank(values(7, 2), values(2, 5), scale)


class TestAdditive(SpaceSuite):
    space = AdditiveSpace()

    def point(self, values: Values) -> Array:
        return values(3, 4)


class TestScalarParameters(SpaceSuite):
    space = AdditiveSpace()

    def point(self, values: Values) -> Array:
        return values(1)


class TestLowRank(SpaceSuite):
    space = LowRankSpace()
    undenses = False

    def point(self, values: Values) -> LowRank:
        return lora(values)


class TestLowRankOfSeveralScales(SpaceSuite):
    space = LowRankSpace()
    undenses = False

    def point(self, values: Values) -> LowRank:
        return lora(values, scale=abs(float(values(1)[0])))


class TestLowRankOfOneScale(SpaceSuite):
    space = LowRankSpace(Compression(rank=6), scale=-0.25)

    def point(self, values: Values) -> LowRank:
        return lora(values, scale=abs(float(values(1)[0])))


class TestLowRankWithTolerance(SpaceSuite):
    space = LowRankSpace(Compression(tolerance=0.01))
    lossy = 0.0101

    def point(self, values: Values) -> LowRank:
        return lora(values)


class TestLowRankWithEnergy(SpaceSuite):
    space = LowRankSpace(Compression(energy=1.0))

    def point(self, values: Values) -> LowRank:
        return lora(values)


class TestWideLowRank(SpaceSuite):
    """More rank than the matrix has rows."""

    space = LowRankSpace(Compression(tolerance=0.0))

    def point(self, values: Values) -> LowRank:
        return LowRank(values(2, 4), values(4, 3), 2.0)


class TestFactorwise(SpaceSuite):
    space = FactorwiseSpace((7, 2), (2, 5), 0.5)

    def point(self, values: Values) -> LowRank:
        return lora(values)


class TestMultiplicative(SpaceSuite):
    space = MultiplicativeSpace()
    reach = 1e-4

    def point(self, values: Values) -> Array:
        return 1.0 + 0.3 * values(12, 1)


class TestPrefix(SpaceSuite):
    space = PrefixSpace()

    def point(self, values: Values) -> Array:
        return values(3, 8)


class TestRidgePrefix(SpaceSuite):
    space = PrefixSpace("ridge")

    def point(self, values: Values) -> Array:
        return values(3, 8)


class TestDirectSum(SpaceSuite):
    space = DirectSum({"down": AdditiveSpace(), "attention": LowRankSpace(Compression(rank=6))})

    def point(self, values: Values) -> dict[str, Any]:
        return {"down": values(2, 3), "attention": lora(values)}


class TestDirectSumOfDirectSums(SpaceSuite):
    space = DirectSum({"bias": AdditiveSpace(), "layer": DirectSum({"prefix": PrefixSpace()})})

    def point(self, values: Values) -> dict[str, Any]:
        return {"bias": values(5), "layer": {"prefix": values(2, 6)}}


class _Broken(SpaceSuite):
    """The suite itself must notice what is wrong."""

    space = AdditiveSpace()

    def point(self, values: Values) -> Array:
        return values(3, 4)


class TestTheSuiteNotices:
    """A few planted errors are caught by the test that is there for them."""

    @pytest.fixture
    def suite(self) -> _Broken:
        return _Broken()

    @pytest.fixture
    def points(self, suite: _Broken) -> list[Array]:
        from xlmerge.testing import Values

        return [suite.point(Values("numpy", "float64", seed)) for seed in (1, 2, 3)]

    def test_a_false_trait(self, suite: _Broken, points: list[Array]) -> None:
        suite.space = PrefixSpace()
        suite.space.reaches_target = True
        with pytest.raises(AssertionError):
            suite.test_the_trait_reaches_target_is_honest(points, "float64")
        suite.space = AdditiveSpace()
        suite.space.reaches_target = False
        with pytest.raises(AssertionError, match="it does reach the target"):
            suite.test_the_trait_reaches_target_is_honest(points, "float64")

    def test_a_write_to_an_input(self, suite: _Broken, points: list[Array]) -> None:
        class Writing:
            def __getattr__(self, name: str) -> Any:
                return getattr(AdditiveSpace(), name)

            def transport(self, x: Array, source: Array, target: Array, t: float) -> Array:
                x += t * (target - source)
                return x

        suite.space = Writing()
        with pytest.raises(AssertionError):
            suite.test_inputs_stay_as_they_are(points)

    def test_a_wrong_inner_product(self, suite: _Broken, points: list[Array]) -> None:
        class Doubling:
            def __getattr__(self, name: str) -> Any:
                return getattr(AdditiveSpace(), name)

            def inner(self, d: Array, e: Array) -> float:
                return 2 * AdditiveSpace().inner(d, e)

        suite.space = Doubling()
        with pytest.raises(AssertionError):
            suite.test_inner_is_that_of_the_dense(points, "float64")
