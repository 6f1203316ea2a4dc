# ruff: noqa: S101 - the asserts of a test suite
"""The laws of a parameter space as tests that a plugin's own tests inherit."""

from __future__ import annotations

import copy
import importlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, final

import pytest

from xlmerge.errors import SpaceError
from xlmerge.testing.arrays import leaves, numbers, raw_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy import ndarray

    from xlmerge.spaces import Array, Space

__all__ = ["SpaceSuite", "Values"]

_LIBRARIES = ("numpy", "array_api_compat.torch", "array_api_strict")
_NEEDS = {"array_api_compat.torch": "torch"}


@final
class Values:
    """Gives normally distributed arrays, always the same ones for the same seed.

    Args:
        library: The import name of a namespace of the array API standard.
        dtype: ``float32`` or ``float64``.
        seed: Which arrays; the same numbers in all libraries.
    """

    def __init__(self, library: str, dtype: str, seed: int) -> None:
        import numpy as np

        self.library = library
        self.dtype = dtype
        self._rng = np.random.default_rng(seed)

    def __call__(self, *shape: int) -> Array:
        """The next array of this shape."""
        return self.array(self._rng.standard_normal(shape))

    def array(self, numbers: Any) -> Array:
        """Given numbers, as an array of the library and dtype."""
        import numpy as np

        xp = importlib.import_module(self.library)
        # By way of lists, the only way into every library without a warning.
        return xp.asarray(np.asarray(numbers).tolist(), dtype=getattr(xp, self.dtype))

    def again(self, seed: int) -> Values:
        """Other arrays of the same library and dtype."""
        return Values(self.library, self.dtype, seed)


class SpaceSuite(ABC):
    """Inherit, say how a point is made, and pytest checks the laws of your space.

    Every law is tried on NumPy, torch and array-api-strict (what is not installed is skipped), in
    float32 and float64.

    Example::

        class TestDoubled(SpaceSuite):
            space = DoubledSpace()

            def point(self, values):
                return values(3, 4)

    Attributes:
        space: The space under test.
        undenses: False where ``undense`` refuses; then it must raise a ``SpaceError`` with a hint.
        lossy: The relative error that ``restore`` and ``undense`` may add by compressing.
        reach: The relative error with which ``transport`` may miss the target at the source.
        tolerance: The relative rounding error allowed for each dtype.
    """

    space: Space[Any, Any]
    undenses: bool = True
    lossy: float = 0.0
    reach: float = 0.0
    tolerance: Mapping[str, float] = {"float32": 2e-5, "float64": 1e-12}

    @abstractmethod
    def point(self, values: Values) -> Any:
        """A point made of ``values(*shape)`` arrays; of the same form on every call."""

    @pytest.fixture(params=["float32", "float64"])
    def dtype(self, request: pytest.FixtureRequest) -> str:
        """The dtype of the arrays."""
        return str(request.param)

    @pytest.fixture(params=_LIBRARIES)
    def library(self, request: pytest.FixtureRequest) -> str:
        """The namespace that the arrays come from."""
        name = str(request.param)
        pytest.importorskip(_NEEDS.get(name, name))
        return name

    @pytest.fixture
    def values(self, library: str, dtype: str) -> Values:
        """What makes the arrays."""
        return Values(library, dtype, seed=0)

    @pytest.fixture
    def points(self, values: Values) -> list[Any]:
        """Three points."""
        return [self.point(values.again(seed)) for seed in (1, 2, 3)]

    def test_says_what_it_is(self) -> None:
        """The name and the trait are there."""
        assert self.space.name
        assert isinstance(self.space.name, str)
        assert isinstance(self.space.reaches_target, bool)

    def test_restore_inverts_delta(self, points: list[Any], dtype: str) -> None:
        """``restore(delta(x)) == x``."""
        for x in points:
            self._close(self._flat(self.space.restore(self.space.delta(x))), self._flat(x), dtype)

    def test_lincomb_is_the_sum_of_the_dense(self, points: list[Any], dtype: str) -> None:
        """``dense(lincomb(w, d)) == sum_i w_i dense(d_i)``, whatever the signs and zeros of w."""
        deltas = [self.space.delta(x) for x in points]
        dense = [numbers(self.space.dense(d)) for d in deltas]
        for weights in ([1.0, 0.5, -0.5], [0.0, 2.0, 0.0], [0.0, 0.0, 0.0], [-1.0, 1e-3, 7.0]):
            expected = weights[0] * dense[0] + weights[1] * dense[1] + weights[2] * dense[2]
            found = numbers(self.space.dense(self.space.lincomb(weights, deltas)))
            self._rounded(found, expected, dtype, *dense)

    def test_lincomb_is_associative_and_distributive(self, points: list[Any], dtype: str) -> None:
        """A combination of combinations is a combination; weights of one delta add."""
        a, b, c = (self.space.delta(x) for x in points)
        lincomb, dense = self.space.lincomb, self.space.dense
        scale = [numbers(dense(d)) for d in (a, b, c)]
        nested = lincomb([0.5, 3.0], [lincomb([1.0, -2.0], [a, b]), c])
        flat = lincomb([0.5, -1.0, 3.0], [a, b, c])
        self._rounded(numbers(dense(nested)), numbers(dense(flat)), dtype, *scale)
        parts, whole = lincomb([0.25, -1.5], [a, a]), lincomb([-1.25], [a])
        self._rounded(numbers(dense(parts)), numbers(dense(whole)), dtype, *scale)
        nothing = lincomb([1.0, -1.0], [a, self.space.delta(copy.deepcopy(points[0]))])
        self._rounded(numbers(dense(nothing)), 0 * scale[0], dtype, *scale)

    def test_inner_is_that_of_the_dense(self, points: list[Any], dtype: str) -> None:
        """``inner(d, e) == sum(dense(d) * dense(e))``, symmetric, linear, never negative alone."""
        import numpy as np

        a, b, c = (self.space.delta(x) for x in points)
        norms = [float(np.linalg.norm(numbers(self.space.dense(d)))) for d in (a, b, c)]
        allowed = self.tolerance[dtype] * max(norms) ** 2
        expected = float(numbers(self.space.dense(a)) @ numbers(self.space.dense(b)))
        inner = self.space.inner
        assert isinstance(inner(a, b), float)
        assert inner(a, b) == pytest.approx(expected, abs=allowed)
        assert inner(b, a) == pytest.approx(inner(a, b), abs=allowed)
        combined = self.space.lincomb([2.0, -3.0], [a, b])
        assert inner(combined, c) == pytest.approx(
            2 * inner(a, c) - 3 * inner(b, c), abs=9 * allowed
        )
        assert inner(a, a) >= 0
        zero = self.space.lincomb([0.0], [a])
        assert inner(zero, zero) == pytest.approx(0, abs=allowed)

    def test_undense_inverts_dense(self, points: list[Any], dtype: str) -> None:
        """``undense(dense(d)) == d`` up to the compression, or a refusal that says what to do."""
        for x in points:
            dense = self.space.dense(self.space.delta(x))
            if self.undenses:
                found = self.space.dense(self.space.undense(dense))
                self._close(numbers(found), numbers(dense), dtype)
            else:
                with pytest.raises(SpaceError) as caught:
                    _read(self.space.undense(dense))
                assert caught.value.hint

    def test_elementwise_sees_every_entry_once(self, points: list[Any], dtype: str) -> None:
        """``elementwise`` is the function on the dense arrays; ``size`` counts their entries."""
        first, second, _ = (self.space.dense(self.space.delta(x)) for x in points)
        found = self.space.elementwise(lambda a, b: a * b + 2.0 * a, first, second)
        a, b = numbers(first), numbers(second)
        self._rounded(numbers(found), a * b + 2 * a, dtype, a, b)
        assert self.space.size(first) == a.size

    def test_kth_magnitude_is_that_of_the_sorted(self, points: list[Any]) -> None:
        """The k-th largest magnitude, exactly, and a refusal where there is none."""
        dense = self.space.dense(self.space.delta(points[0]))
        magnitudes = sorted(abs(numbers(dense)).tolist(), reverse=True)
        for kept in (1, (len(magnitudes) + 1) // 2, len(magnitudes)):
            assert self.space.kth_magnitude(dense, kept) == magnitudes[kept - 1]
        for kept in (0, len(magnitudes) + 1):
            with pytest.raises(SpaceError):
                self.space.kth_magnitude(dense, kept)

    def test_transport_of_nothing_is_the_identity(self, points: list[Any], dtype: str) -> None:
        """``t == 0`` or ``source == target`` (one object or equal values) gives ``x`` back."""
        x, s, u = points
        expected = self._flat(x)
        for found in (
            self.space.transport(x, s, u, 0.0),
            self.space.transport(x, s, s, 0.7),
            self.space.transport(x, s, copy.deepcopy(s), 1.0),
        ):
            self._close(self._flat(found), expected, dtype, self._flat(s))

    def test_the_trait_reaches_target_is_honest(self, points: list[Any], dtype: str) -> None:
        """``transport(s, s, u, 1)`` is ``u`` if the trait says so, and is not if it does not."""
        import numpy as np

        _, s, u = points
        found, expected = self._flat(self.space.transport(s, s, u, 1.0)), self._flat(u)
        if self.space.reaches_target:
            self._close(found, expected, dtype, self._flat(s), extra=self.reach)
        else:
            missed = float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
            assert missed > 100 * (self.tolerance[dtype] + self.lossy), "it does reach the target"

    def test_inputs_stay_as_they_are(self, points: list[Any]) -> None:
        """No operation writes to an array that it is given."""
        before = [raw_bytes(x) for x in points]
        x, s, u = points
        deltas = [self.space.delta(point) for point in points]
        for weights in ([1.0, 0.5, -0.5], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]):
            _read(self.space.restore(self.space.lincomb(weights, deltas)))
        for t in (0.0, 0.5, 1.0):
            _read(self.space.transport(x, s, u, t))
        dense = [self.space.dense(d) for d in deltas]
        _read(self.space.elementwise(lambda *arrays: sum(arrays), *dense))
        self.space.inner(deltas[0], deltas[1])
        self.space.kth_magnitude(dense[0], 1)
        if self.undenses:
            _read(self.space.undense(dense[0]))
        assert [raw_bytes(x) for x in points] == before

    def test_results_keep_library_and_dtype(self, points: list[Any]) -> None:
        """What comes out is of the kind that went in."""
        x, s, u = points
        kinds = {(type(leaf), leaf.dtype) for leaf in leaves(x)}
        deltas = [self.space.delta(point) for point in points]
        results = [
            self.space.restore(self.space.lincomb([0.5, 0.25, 0.0], deltas)),
            self.space.restore(self.space.lincomb([0.0, 0.0, 0.0], deltas)),
            self.space.transport(x, s, u, 0.5),
        ]
        if self.undenses:
            results.append(self.space.restore(self.space.undense(self.space.dense(deltas[0]))))
        for result in results:
            assert {(type(leaf), leaf.dtype) for leaf in leaves(result)} == kinds

    def _flat(self, x: Any) -> ndarray:
        """A point as the vector of its dense delta."""
        return numbers(self.space.dense(self.space.delta(x)))

    def _close(
        self, found: ndarray, expected: ndarray, dtype: str, *operands: ndarray, extra: float = 0.0
    ) -> None:
        """Equal up to rounding and to what compression may lose."""
        self._rounded(found, expected, dtype, *operands, extra=extra + self.lossy)

    def _rounded(
        self, found: ndarray, expected: ndarray, dtype: str, *operands: ndarray, extra: float = 0.0
    ) -> None:
        """Equal up to rounding, relative to the largest norm of what went in."""
        import numpy as np

        assert found.shape == expected.shape
        size = max(float(np.linalg.norm(array)) for array in (expected, *operands))
        error = float(np.linalg.norm(found - expected))
        assert error <= (self.tolerance[dtype] + extra) * size, f"off by {error / size:.1e}"


def _read(value: Any) -> None:
    """Compute what is lazy."""
    for _ in leaves(value):
        pass
