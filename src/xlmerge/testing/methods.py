"""The laws of merge methods as tests that a plugin's own tests inherit."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, find, given, reject, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from xlmerge.errors import XLMergeError
from xlmerge.testing import method_laws as laws
from xlmerge.testing.cases import MergeCase, cases, fitting_samples
from xlmerge.testing.fresh_process import (
    check_hash_seed_is_irrelevant,
    check_import_is_light,
    importable,
)
from xlmerge.testing.samples import SAMPLES, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from xlmerge.plugin import MergeMethod

__all__ = ["MergeMethodSuite"]

LIBRARIES = {"numpy": "numpy", "torch": "array_api_compat.torch", "strict": "array_api_strict"}

_QUIETLY = settings(
    max_examples=30,
    deadline=None,  # the first call may import a library
    derandomize=True,  # a law holds or does not, whatever the day
    # The tests are inherited: Hypothesis sees them run on several classes.
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)


class MergeMethodSuite:
    """Inherit, name the method, and pytest checks the laws it has to keep to.

    The method is called in small spaces of every kind, on numbers that include zeros, equal
    entries and extremes, with any number of adapters, weights and parameters that it declares. It
    may refuse a call with an error of :mod:`xlmerge.errors`; every other exception fails.

    Example::

        class TestMedian(MergeMethodSuite):
            method = median

    What the result should *be* is not among the laws: add tests with numbers worked out by hand.

    Attributes:
        method: The method under test.
        parameters: Values of parameters that are not to be drawn from their declared range;
            needed for required texts.
        weights_sum_to_one: True if the method refuses other weights.
        samples: The spaces to try; add those of your own architectures.
        module: Where the method is importable from; by default the module of its function.
    """

    method: MergeMethod
    parameters: Mapping[str, Any] = {}
    weights_sum_to_one: bool = False
    samples: Sequence[Sample] = SAMPLES
    module: str | None = None

    @given(data=st.data())
    @_QUIETLY
    def test_inputs_stay_as_they_are(self, data: st.DataObject) -> None:
        """Every input is the same after the call, bit by bit."""
        _or_refuse(laws.check_inputs_unchanged, self._case(data))

    @given(data=st.data())
    @_QUIETLY
    def test_the_result_is_a_point_of_the_space(self, data: st.DataObject) -> None:
        """Shape, library and dtype are kept; all numbers are finite."""
        case = self._case(data)
        dtype = data.draw(st.sampled_from(["float32", "float64"]))
        _or_refuse(laws.check_result_is_a_point, replace(case, dtype=dtype))

    @given(data=st.data())
    @_QUIETLY
    def test_equal_calls_give_equal_bytes(self, data: st.DataObject) -> None:
        """Nothing but the arguments decides."""
        _or_refuse(laws.check_same_call_same_bytes, self._case(data))

    @given(data=st.data())
    @_QUIETLY
    def test_a_symmetric_method_takes_adapters_in_any_order(self, data: st.DataObject) -> None:
        """Only if declared: ``symmetric=True``."""
        if not self.method.symmetric:
            return
        case = self._case(data)
        # Reversed in any case: of the permutations drawn, few may be other than the order itself.
        for order in (case.order[::-1], data.draw(st.permutations(case.order))):
            _or_refuse(partial(laws.check_order_is_irrelevant, order=order), case)

    def test_a_method_that_is_not_symmetric_depends_on_the_order(self) -> None:
        """Else it should say so, since the engine sorts the adapters of symmetric ones by name."""
        count = self.method.count
        if self.method.symmetric or count is None or count.most == 1:
            return

        def matters(case: MergeCase) -> bool:
            try:
                return laws.order_matters(case)
            except XLMergeError:
                return False

        try:
            find(self._cases(), matters, settings=settings(_QUIETLY, database=None))
        except NoSuchExample:
            pytest.fail(
                f"the order of adapters never mattered to {self.method.name}: declare it "
                "`symmetric=True`"
            )

    @pytest.mark.parametrize("library", ["torch", "strict"])
    @given(data=st.data())
    @_QUIETLY
    def test_other_array_libraries_give_the_same_numbers(
        self, library: str, data: st.DataObject
    ) -> None:
        """As NumPy; except on libraries that the method's ``arrays`` leaves out."""
        wanted = self.method.arrays
        if wanted and ("numpy" not in wanted or library not in wanted):
            pytest.skip(f"{self.method.name} runs on {', '.join(wanted)}")
        name = LIBRARIES[library]
        pytest.importorskip("torch" if library == "torch" else name)
        _or_refuse(lambda drawn: laws.check_same_numbers_in(drawn, name), self._case(data))

    @given(data=st.data())
    @_QUIETLY
    def test_members_may_be_read_one_at_a_time(self, data: st.DataObject) -> None:
        """A method that sees a layer or an adapter at once must not need all of it in memory."""
        several = [sample for sample in self.samples if sample.several]
        if fitting_samples(self.method, several):
            _or_refuse(laws.check_lazy_is_eager, data.draw(self._cases(several)))

    def test_one_adapter_comes_back_or_is_refused(self) -> None:
        """The identity law: one adapter at weight 1 is that adapter."""
        laws.check_one_adapter_comes_back(self.method, self.parameters, self.samples)

    def test_an_undeclared_parameter_is_refused(self) -> None:
        """No misspelt parameter passes silently."""
        laws.check_undeclared_parameter_is_refused(self.method)

    def test_values_outside_the_declared_range_are_refused(self) -> None:
        """The declaration holds."""
        laws.check_ranges_are_kept(self.method)

    @given(data=st.data())
    @_QUIETLY
    def test_parameters_survive_a_recipe(self, data: st.DataObject) -> None:
        """From YAML come the values that were written."""
        laws.check_parameters_through_yaml(self.method, self._case(data).parameters)

    def test_importing_the_plugin_is_cheap(self) -> None:
        """Neither NumPy nor torch is imported to find the method."""
        check_import_is_light(self.method, self._module())

    def test_the_hash_seed_is_irrelevant(self) -> None:
        """Two processes give the same bytes."""
        check_hash_seed_is_irrelevant(self.method, self._module(), self.parameters)

    def _cases(self, samples: Sequence[Sample] | None = None) -> st.SearchStrategy[MergeCase]:
        return cases(
            self.method,
            samples=self.samples if samples is None else samples,
            parameters=self.parameters,
            weights_sum_to_one=self.weights_sum_to_one,
        )

    def _case(self, data: st.DataObject) -> MergeCase:
        return data.draw(self._cases())

    def _module(self) -> str:
        module = self.module or str(self.method.function.__module__)
        if not importable(module):
            pytest.skip(f"no other process can import {module}: say where it is with `module`")
        return module


def _or_refuse(check: Callable[[MergeCase], None], case: MergeCase) -> None:
    """Check a law; a case that the method refuses says nothing."""
    try:
        check(case)
    except XLMergeError:
        reject()
