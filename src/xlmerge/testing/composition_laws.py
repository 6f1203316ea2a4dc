# ruff: noqa: S101 - the asserts of a test suite
"""What every composition rule has to keep to, one function a law."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from xlmerge.errors import XLMergeError
from xlmerge.plugin import Leaf, Node, leaves, tree_text
from xlmerge.plugin.trees import parse_tree, tree_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy import ndarray

    from xlmerge.plugin import CompositionRule, Tree
    from xlmerge.testing.bench import Bench

__all__ = [
    "check_identity",
    "check_inputs_do_not_mix",
    "check_model_is_left_alone",
    "check_same_composition_same_numbers",
    "check_tree_is_accepted",
    "check_wrong_nodes_are_refused",
    "scores",
]

TEXTS = ("one two three", "four", "five six", "seven eight nine")
TOLERANCE = 1e-4


def scores(bench: Bench, tree: Tree, texts: tuple[str, ...] = TEXTS) -> ndarray:
    """Logits of a classification ``[texts, classes]``, with the head of the tree's last adapter."""
    import torch

    from xlmerge.runtime.composing import compose

    task = bench.registry.task("sequence_classification").descriptor.function(
        max_length=64, pooling="cls", layers=1
    )
    batch = dict(bench.live.tokenizer(list(texts), padding=True, return_tensors="pt"))
    with (
        torch.no_grad(),
        compose(bench.live, tree, bench.folders, bench.registry, task=task) as run,
    ):
        found: ndarray = run(batch)["logits"].numpy().copy()
    return found


def check_tree_is_accepted(bench: Bench, tree: Tree) -> None:
    """A tree that the rule is for runs, and gives finite numbers, one row for each input."""
    found = scores(bench, tree)
    where = tree_text(tree)
    assert found.shape[0] == len(TEXTS), f"{where}: {len(TEXTS)} inputs gave {found.shape[0]} rows"
    assert (abs(found) < float("inf")).all(), f"{where}: the outputs are not finite"
    assert parse_tree(tree_data(tree)) == tree, f"{where}: is another tree when written and read"


def check_same_composition_same_numbers(bench: Bench, tree: Tree) -> None:
    """Twice the same composition gives the same bits, whatever ran in between."""
    first = scores(bench, tree)
    scores(bench, next(Leaf(name) for name in leaves(tree) if name in bench.heads))
    second = scores(bench, tree)
    assert first.tobytes() == second.tobytes(), f"{tree_text(tree)}: another result the next time"


def check_model_is_left_alone(bench: Bench, tree: Tree) -> None:
    """The model is as it was afterwards: tensors, what is active, hooks; so are the files."""
    import torch

    scores(bench, tree)  # loads the adapters
    before, files = bench.state(), _files(bench)
    scores(bench, tree)
    after = bench.state()
    where = tree_text(tree)
    old, new = before.pop("tensors"), after.pop("tensors")
    assert set(new) == set(old), f"{where}: leaves {sorted(set(new) ^ set(old))[:3]} in the model"
    changed = [key for key in old if not torch.equal(old[key], new[key])]
    assert not changed, f"{where}: changes {changed[0]}"
    assert after == before, f"{where}: the model was {before}, and is {after}"
    assert _files(bench) == files, f"{where}: writes into the folders of adapters"


def check_inputs_do_not_mix(bench: Bench, tree: Tree) -> None:
    """What an input gives does not depend on the others in its batch."""
    together = scores(bench, tree)
    for at, text in enumerate(TEXTS):
        [alone] = scores(bench, tree, (text,))
        error = abs(alone - together[at]).max()
        assert error <= TOLERANCE * max(1.0, float(abs(together).max())), (
            f"{tree_text(tree)}: an input gives other numbers in a batch than alone, off by "
            f"{error:.1e}; say `by_row = False` if that is meant"
        )


def check_identity(bench: Bench, tree: Tree, alone: str) -> None:
    """A tree that should change nothing predicts what the adapter alone predicts."""
    found, expected = (_probabilities(scores(bench, each)) for each in (tree, Leaf(alone)))
    error = abs(found - expected).max()
    assert error <= TOLERANCE, (
        f"{tree_text(tree)} should be {alone} alone, and is off by {error:.1e}"
    )


def _probabilities(logits: ndarray) -> ndarray:
    import numpy as np

    powers: ndarray = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: ndarray = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def check_wrong_nodes_are_refused(bench: Bench, tree: Node) -> None:
    """Roles, options, weights and numbers of children that are not declared are refused."""
    rule = bench.registry.composition_rule(tree.rule).descriptor
    for what, wrong in _wrong(rule, tree):
        try:
            scores(bench, wrong)
        except XLMergeError:
            continue
        raise AssertionError(f"{rule.name} takes {what}: {tree_text(wrong)}")


def _wrong(rule: CompositionRule, tree: Node) -> Iterator[tuple[str, Node]]:
    """Nodes that go against the declaration in one way each."""
    [first, *_] = tree.children

    def changed(**fields: Any) -> Node:
        return dataclasses.replace(tree, **fields)

    yield "an option it does not declare", changed(options={**tree.options, "no_such_option": 1})
    for spec in rule.parameters:
        yield f"no value for `{spec.name}`", changed(options={**tree.options, spec.name: object()})
    if rule.weighted == "no":
        plain = len(tree.children) - len(tree.roles)
        if plain:
            yield "weights it does not declare", changed(weights=(1.0,) * plain)
    if rule.weighted == "required":
        yield "children without weights", changed(weights=None)
    yield (
        "a role it does not declare",
        changed(children=(*tree.children, first), roles=(*tree.roles, "no_such_role")),
    )
    if rule.count is not None and rule.count.least > 1:
        fewer = rule.count.least - 1
        weights = tree.weights[:fewer] if tree.weights is not None else None
        yield "too few children", changed(children=tree.children[:fewer], weights=weights)
    if rule.count is not None and rule.count.most is not None:
        more = rule.count.most + 1
        weights = (1.0,) * more if tree.weights is not None else None
        yield "too many children", changed(children=(first,) * more, weights=weights)
    for role in rule.roles:
        if role.required:
            kept = [at for at, name in enumerate(tree.roles) if name != role.name]
            children = tuple(tree.children[at] for at in kept)
            if children:  # a node without any is no tree
                roles = tuple(tree.roles[at] for at in kept)
                yield f"no {role.name}", changed(children=children, roles=roles)


def _files(bench: Bench) -> Mapping[str, bytes]:
    return {
        str(file.relative_to(bench.folder)): file.read_bytes()
        for file in sorted(bench.folder.rglob("*"))
        if file.is_file()
    }
