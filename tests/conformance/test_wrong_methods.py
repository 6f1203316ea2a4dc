"""The suite for merge methods notices what is wrong with a method."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from xlmerge.testing import MergeMethodSuite

pytest.importorskip("numpy")

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

LIBRARIES = "test_other_array_libraries_give_the_same_numbers"
WRONG = {
    "sums_in_place": "test_inputs_stay_as_they_are",
    "takes_the_first": "test_a_symmetric_method_takes_adapters_in_any_order",
    "hides_its_symmetry": "test_a_method_that_is_not_symmetric_depends_on_the_order",
    "hangs_on_the_hash_seed": "test_the_hash_seed_is_irrelevant",
    "remembers": "test_equal_calls_give_equal_bytes",
    "narrows": "test_the_result_is_a_point_of_the_space",
    "divides_by_zero": "test_the_result_is_a_point_of_the_space",
    "knows_numpy_only": LIBRARIES,
    "keeps_state_between_members": "test_members_may_be_read_one_at_a_time",
    "halves_one_adapter": "test_one_adapter_comes_back_or_is_refused",
    "raises_what_is_not_ours": "test_equal_calls_give_equal_bytes",
    "imports_numpy": "test_importing_the_plugin_is_cheap",
}
FAILURES = (AssertionError, TypeError, RuntimeError, pytest.fail.Exception)


def run(suite: MergeMethodSuite, test: str) -> None:
    arguments: dict[str, Any] = {"library": "strict"} if test == LIBRARIES else {}
    getattr(suite, test)(**arguments)


@pytest.fixture
def suite(name: str, monkeypatch: pytest.MonkeyPatch) -> MergeMethodSuite:
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "wrong"))
    module = importlib.import_module("wrong_import" if "import" in name else "wrong_methods")
    method = getattr(module, name)
    return type("Suite", (MergeMethodSuite,), {"method": method})()


@pytest.mark.parametrize(("name", "test"), WRONG.items())
def test_caught(suite: MergeMethodSuite, test: str) -> None:
    with pytest.raises(FAILURES):
        run(suite, test)


@pytest.mark.parametrize("name", ["takes_the_first", "halves_one_adapter", "imports_numpy"])
def test_and_blamed_for_nothing_else(suite: MergeMethodSuite, name: str) -> None:
    others = [
        test for test in vars(MergeMethodSuite) if test.startswith("test_") and test != WRONG[name]
    ]
    for test in others:
        run(suite, test)


def test_a_law_is_named_in_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "wrong"))
    wrong = importlib.import_module("wrong_methods")
    suite = type("Suite", (MergeMethodSuite,), {"method": wrong.sums_in_place})()
    with pytest.raises(AssertionError, match="sums_in_place writes to its inputs"):
        suite.test_inputs_stay_as_they_are()
    suite = type("Suite", (MergeMethodSuite,), {"method": wrong.hangs_on_the_hash_seed})()
    with pytest.raises(AssertionError, match="PYTHONHASHSEED"):
        suite.test_the_hash_seed_is_irrelevant()
