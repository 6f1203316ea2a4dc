"""Every registered composition rule keeps to the laws of composition rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from xlmerge.plugin import discover
from xlmerge.testing import CompositionRuleSuite

if TYPE_CHECKING:
    from xlmerge.testing import Bench

pytestmark = pytest.mark.libraries
pytest.importorskip("adapters")

RULES = {name: item.descriptor for name, item in discover(strict=True).composition_rules.items()}
SEVERAL_OUTPUTS = {"parallel"}  # gives several rows for each input, so that nothing is scored
TESTED: set[str] = set()


class Suite(CompositionRuleSuite):
    """Children say which rule."""

    adapters: ClassVar[dict[str, Any]] = {"first": "seq_bn", "second": "seq_bn"}

    def __init_subclass__(cls, name: str) -> None:
        cls.rule = RULES[name]
        TESTED.add(name)


class TestMadx(Suite, name="madx"):
    adapters: ClassVar = {"language": "madx_language", "task": "seq_bn"}
    tree: ClassVar = {"madx": {"language": "language", "task": "task"}}
    identity = ({"madx": {"language": "language"}}, "language")


class TestMadxWithAffineAndWithoutTheLastLayer(Suite, name="madx"):
    adapters: ClassVar = {"language": "seq_bn_affine", "task": "par_bn"}
    tree: ClassVar = {
        "madx": {"language": "language", "task": "task"},
        "with": {"drop_last": "both"},
    }


class TestStack(Suite, name="stack"):
    tree: ClassVar = {"stack": ["first", "second"]}


class TestAverage(Suite, name="average"):
    without_head = ("second",)
    tree: ClassVar = {"average": ["first", "second"]}
    identity = ({"average": {"first": 1.0, "second": 0.0}}, "first")


class TestAddOfLora(Suite, name="add"):
    adapters: ClassVar = {"first": "lora", "second": "lora"}
    without_head = ("second",)
    tree: ClassVar = {"add": ["first", "second"]}
    identity = ({"add": {"first": 1.0, "second": 0.0}}, "first")


class TestAddOfIa3(Suite, name="add"):
    adapters: ClassVar = {"first": "ia3", "second": "ia3"}
    tree: ClassVar = {"add": ["first", "second"]}


class TestInterpolate(Suite, name="interpolate"):
    without_head = ("second",)
    tree: ClassVar = {"interpolate": {"first": 0.3, "second": 0.7}}
    identity = ({"interpolate": {"first": 1.0}}, "first")


class TestInterpolateLanguages(Suite, name="interpolate"):
    adapters: ClassVar = {"first": "seq_bn_affine", "second": "seq_bn_affine"}
    without_head = ("second",)
    tree: ClassVar = {"interpolate": {"first": 0.3, "second": 0.7}}
    identity = ({"interpolate": {"first": 1.0, "second": 0.0}}, "first")


class TestEnsemble(Suite, name="ensemble"):
    adapters: ClassVar = {"first": "madx_language", "second": "lora"}
    tree: ClassVar = {"ensemble": {"first": 0.3, "second": 0.7}}
    identity = ({"ensemble": {"first": 1.0, "second": 0.0}}, "first")


class TestBatchSplit(Suite, name="batch_split"):
    tree: ClassVar = {"batch_split": {"first": 1, "second": 3}}
    by_row = False


class TestSplit(Suite, name="split"):
    tree: ClassVar = {"split": {"first": 9, "second": 10}}  # the longest input has 19 tokens
    by_row = False


class TestFuse(Suite, name="fuse"):
    tree: ClassVar = {"fuse": ["first", "second"]}

    def prepare(self, bench: Bench) -> None:
        """A fusion of random numbers, saved beside the first adapter."""
        from adapters.composition import Fuse

        model = bench.live.model
        for name, folder in bench.folders.items():
            bench.live.load_adapter(name, folder)
        model.add_adapter_fusion(Fuse(*bench.folders))
        model.save_adapter_fusion(str(bench.folders["first"]), Fuse(*bench.folders))
        model.delete_adapter_fusion(Fuse(*bench.folders))
        for name in bench.folders:
            bench.live.delete_adapter(name)


def test_no_rule_is_left_out() -> None:
    assert set(RULES) == TESTED | SEVERAL_OUTPUTS
