"""The laws of composition rules as tests that a plugin's own tests inherit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.plugin import Node
from xlmerge.plugin.trees import parse_tree
from xlmerge.testing import composition_laws as laws
from xlmerge.testing.bench import LABELS, Bench, registry_with
from xlmerge.testing.light_imports import check_module_is_light, importable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xlmerge.plugin import CompositionRule

__all__ = ["CompositionRuleSuite"]

_HEAD = {
    "head_type": "classification",
    "num_labels": len(LABELS),
    "label2id": {label: at for at, label in enumerate(LABELS)},
    "layers": 1,
    "activation_function": "tanh",
    "use_pooler": False,
    "bias": True,
    "dropout_prob": None,
}


class CompositionRuleSuite:
    """Inherit, name the rule, write a tree, and pytest checks what it has to keep to.

    The tree runs in a tiny random model of the adapters library, with random adapters of the
    configurations you name; each has a classification head. Needs the libraries.

    Example::

        class TestAbove(CompositionRuleSuite):
            rule = above
            adapters = {"lower": "seq_bn", "upper": "seq_bn"}
            tree = {"above": {"lower": "lower", "upper": "upper"}}

    What a composition should *compute* is not among the laws, but for ``identity``.

    Attributes:
        rule: The rule under test.
        adapters: Name to configuration: one that an architecture names, or all of its fields.
        without_head: Adapters that bring no head. A composition runs with the head of the last
            adapter that brings one.
        tree: A composition by the rule, as recipes write it; it gets four inputs at a time.
        identity: A composition by the rule that should change nothing, and the adapter that alone
            predicts the same, such as ``({"mix": {"first": 1, "second": 0}}, "first")``; None if
            there is none.
        by_row: False if what an input gives may depend on the others in its batch.
        module: Where the rule is importable from; by default the module of its function.
    """

    rule: CompositionRule
    adapters: Mapping[str, str | Mapping[str, Any]] = {"first": "seq_bn", "second": "seq_bn"}
    without_head: Sequence[str] = ()
    tree: Any = None
    identity: tuple[Any, str] | None = None
    by_row: bool = True
    module: str | None = None

    def prepare(self, bench: Bench) -> None:
        """Put into the adapters' folders what the rule needs besides."""

    @pytest.fixture
    def bench(self, tmp_path_factory: pytest.TempPathFactory) -> Bench:
        """The model and the adapters, one for all laws."""
        pytest.importorskip("adapters")
        kept: Bench | None = type(self).__dict__.get("_bench")
        if kept is not None:
            return kept
        registry = registry_with("composition_rules", self.rule)
        bench = Bench(registry, tmp_path_factory.mktemp("adapters"))
        for seed, (name, config) in enumerate(self.adapters.items(), start=1):
            head = None if name in self.without_head else _HEAD
            bench.make(name, config, seed=seed, head=head)
        self.prepare(bench)
        type(self)._bench = bench  # type: ignore[attr-defined]  # noqa: SLF001 - kept for the class
        return bench

    @pytest.fixture
    def node(self) -> Node:
        """The tree."""
        node = parse_tree(self.tree)
        if not isinstance(node, Node) or node.rule != self.rule.name:
            pytest.fail(f"`tree` should be a composition by {self.rule.name}; found {self.tree!r}")
        return node

    def test_the_tree_runs(self, bench: Bench, node: Node) -> None:
        """Finite numbers, one row for each input."""
        laws.check_tree_is_accepted(bench, node)

    def test_the_same_composition_gives_the_same_numbers(self, bench: Bench, node: Node) -> None:
        """Bit by bit, whatever ran in between."""
        laws.check_same_composition_same_numbers(bench, node)

    def test_the_model_is_left_as_it_was(self, bench: Bench, node: Node) -> None:
        """Tensors, what is active, hooks, and the adapters' files."""
        laws.check_model_is_left_alone(bench, node)

    def test_inputs_do_not_mix(self, bench: Bench, node: Node) -> None:
        """Unless said otherwise: ``by_row = False``."""
        if self.by_row:
            laws.check_inputs_do_not_mix(bench, node)

    def test_what_should_change_nothing_does_not(self, bench: Bench) -> None:
        """Only if there is such a tree."""
        if self.identity is None:
            pytest.skip(f"{self.rule.name} names no composition that changes nothing")
        tree, alone = self.identity
        laws.check_identity(bench, parse_tree(tree), alone)

    def test_what_is_not_declared_is_refused(self, bench: Bench, node: Node) -> None:
        """Roles, options, weights, numbers of children."""
        laws.check_wrong_nodes_are_refused(bench, node)

    def test_importing_the_plugin_is_cheap(self) -> None:
        """No model library is imported to find the rule."""
        module = self.module or str(self.rule.function.__module__)
        if not importable(module):
            pytest.skip(f"no other process can import {module}: say where it is with `module`")
        check_module_is_light(module)
