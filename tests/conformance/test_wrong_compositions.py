"""The suite for composition rules notices what is wrong with a rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import pytest

from xlmerge import testing
from xlmerge.plugin import Child, Count, composition_rule
from xlmerge.plugin.trees import parse_tree
from xlmerge.testing import Bench, registry_with
from xlmerge.testing.compositions import _HEAD

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xlmerge.plugin import CompositionRule

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")

Two = Annotated[Sequence[Child], Count(2, 2)]
ABOUT: dict[str, Any] = {"summary": "Wrong on purpose.", "source": "made up"}
CALLS: list[int] = []


@composition_rule(kind="inside", **ABOUT)
def turns(live: Any, *, children: Two) -> Any:
    CALLS.append(1)
    return children[len(CALLS) % 2].block


@composition_rule(kind="inside", **ABOUT)
def leaves_a_hook(live: Any, *, children: Two) -> Any:
    live.live.model.base_model.register_forward_hook(lambda *_: None)
    return children[0].block


@composition_rule(kind="inside", **ABOUT)
def changes_a_weight(live: Any, *, children: Two) -> Any:
    with torch.no_grad():
        next(live.live.model.parameters()).add_(0.1)
    return children[0].block


@composition_rule(kind="inside", **ABOUT)
def writes_to_a_folder(live: Any, *, children: Two) -> Any:
    (children[0].members[0].folder / f"note-{len(CALLS)}").write_text("mine", encoding="utf-8")
    CALLS.append(1)
    return children[0].block


@composition_rule(kind="around", **ABOUT)
def centres(*, children: Two) -> Callable[[Any], Any]:
    def forward(batch: Any) -> Any:
        logits = children[0](batch)["logits"]
        return {"logits": logits - logits.mean(dim=0)}

    return forward


@composition_rule(kind="around", **ABOUT)
def sharpens(*, children: Two) -> Callable[[Any], Any]:
    return lambda batch: {"logits": 2 * children[0](batch)["logits"]}


@composition_rule(kind="around", **ABOUT)
def loses_an_input(*, children: Two) -> Callable[[Any], Any]:
    return lambda batch: {"logits": children[0](batch)["logits"][1:]}


@composition_rule(kind="around", **ABOUT)
def divides_by_zero(*, children: Two) -> Callable[[Any], Any]:
    return lambda batch: {"logits": children[0](batch)["logits"] / 0}


def identity(bench: Bench, tree: Any) -> None:
    testing.check_identity(bench, tree, "first")


WRONG: dict[str, tuple[CompositionRule, Callable[[Bench, Any], None], str]] = {
    "turns": (turns, testing.check_same_composition_same_numbers, "another result"),
    "hook": (leaves_a_hook, testing.check_model_is_left_alone, "hooks"),
    "weight": (changes_a_weight, testing.check_model_is_left_alone, "changes "),
    "folder": (writes_to_a_folder, testing.check_model_is_left_alone, "writes into"),
    "centres": (centres, testing.check_inputs_do_not_mix, "by_row = False"),
    "sharpens": (sharpens, identity, "should be first alone"),
    "loses": (loses_an_input, testing.check_tree_is_accepted, "4 inputs gave 3 rows"),
    "divides": (divides_by_zero, testing.check_tree_is_accepted, "not finite"),
}


def bench_for(rule: CompositionRule, folder: Path) -> Bench:
    bench = Bench(registry_with("composition_rules", rule), folder)
    for seed, name in enumerate(("first", "second"), start=1):
        bench.make(name, "seq_bn", seed=seed, head=_HEAD)
    return bench


@pytest.mark.parametrize("case", WRONG)
def test_caught(case: str, tmp_path: Path) -> None:
    rule, law, words = WRONG[case]
    bench = bench_for(rule, tmp_path)
    with pytest.raises(AssertionError, match=words):
        law(bench, parse_tree({rule.name: ["first", "second"]}))


def test_and_blamed_for_nothing_else(tmp_path: Path) -> None:
    bench = bench_for(sharpens, tmp_path)
    tree = parse_tree({"sharpens": ["first", "second"]})
    testing.check_tree_is_accepted(bench, tree)
    testing.check_same_composition_same_numbers(bench, tree)
    testing.check_model_is_left_alone(bench, tree)
    testing.check_inputs_do_not_mix(bench, tree)
    testing.check_wrong_nodes_are_refused(bench, tree)


def test_a_heavy_module_is_named() -> None:
    with pytest.raises(AssertionError, match="imports numpy"):
        testing.check_module_is_light("numpy.linalg")
