"""Adapters are compared by what they mean."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest

from builders import ADAPTERS_KINDS, KINDS, PEFT_KINDS, edit_config, make, registry
from xlmerge.checkpoint.compatibility import BaseModel, Verdict, compare_layouts
from xlmerge.checkpoint.cover import cover
from xlmerge.checkpoint.folder import open_adapter_folder

if TYPE_CHECKING:
    from pathlib import Path


def compare(*folders: Path, base: BaseModel | None = None, **options: Any) -> Verdict:
    with ExitStack() as stack:
        layouts = {
            folder.name: cover(stack.enter_context(open_adapter_folder(folder)), registry())
            for folder in folders
        }
        return compare_layouts(layouts, base or BaseModel(), **options)


def said(verdict: Verdict) -> list[str]:
    return [problem.message for problem in verdict.problems]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", ["xlmr", "llama"])
def test_two_of_a_kind(tmp_path: Path, kind: str, model: str) -> None:
    a = make(tmp_path / "a", kind, model=model, labels=2)
    b = make(tmp_path / "b", kind, model=model, seed=1, container="safetensors", labels=5)
    verdict = compare(a, b)
    assert (said(verdict), verdict.warnings) == ([], [])


# The two forms in which each of these is stored are one kind.
ONE_KIND = [{"prefix", "prefix_flat"}, {"peft_lora", "peft_rslora", "peft_lora_patterns"}]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pair
        for pair in (*combinations(ADAPTERS_KINDS, 2), *combinations(PEFT_KINDS, 2))
        if not any(set(pair) <= kinds for kinds in ONE_KIND)
    ],
)
def test_different_kinds(tmp_path: Path, first: str, second: str) -> None:
    assert said(compare(make(tmp_path / "a", first), make(tmp_path / "b", second)))


def test_one_kind_in_two_forms(tmp_path: Path) -> None:
    flat, mlp = make(tmp_path / "a", "prefix_flat"), make(tmp_path / "b", "prefix")
    assert said(compare(flat, mlp)) == []
    plain, stable = make(tmp_path / "c", "peft_lora"), make(tmp_path / "d", "peft_rslora")
    assert said(compare(plain, stable, make(tmp_path / "e", "peft_lora_patterns"))) == []


def test_both_libraries(tmp_path: Path) -> None:
    [found] = said(compare(make(tmp_path / "a", "lora"), make(tmp_path / "b", "peft_lora")))
    assert found == "a is a folder of adapters, b of peft"


def test_a_single_adapter_is_compared_with_the_recipe(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", "lora")
    assert said(compare(folder)) == []
    [found] = said(compare(folder, base=BaseModel(name="bert-base-cased")))
    assert "the recipe's base model is 'bert-base-cased'" in found
    base = BaseModel(name="bert-base-cased", aliases=("FacebookAI/xlm-roberta-base",))
    assert said(compare(folder, base=base)) == []


def test_revisions(tmp_path: Path) -> None:
    a, b = (make(tmp_path / name, "peft_lora", seed=len(name)) for name in ("a", "bb"))
    edit_config(a, revision="one")
    assert said(compare(a, b)) == []
    edit_config(b, revision="two")
    [found] = said(compare(a, b))
    assert "different revisions of the base model: a on one, bb on two" in found
    assert said(compare(a, b, base=BaseModel(name="xlm-roberta-base"))) == []


def test_folders_named_alike(tmp_path: Path) -> None:
    a = make(tmp_path / "a", "seq_bn", base_model="/data/one/mini")
    b = make(tmp_path / "b", "seq_bn", seed=1, base_model="/data/two/mini")
    verdict = compare(a, b)
    assert said(verdict) == []
    [warning] = verdict.warnings
    assert "taken for one model by the last part" in warning
    named = compare(a, b, base=BaseModel(name="mini"))
    assert (said(named), named.warnings) == ([], [])


def test_unknown_base_models(tmp_path: Path) -> None:
    a, b = make(tmp_path / "a", "seq_bn"), make(tmp_path / "b", "seq_bn", seed=1, base_model=None)
    verdict = compare(a, b)
    assert said(verdict) == []
    assert verdict.warnings == ["b: the folder does not say which base model it was trained on"]


def test_dropout_means_nothing_afterwards(tmp_path: Path) -> None:
    a, b = make(tmp_path / "a", "seq_bn"), make(tmp_path / "b", "seq_bn", seed=1)
    edit_config(b, dropout=0.3, init_weights="mam_adapter")
    assert said(compare(a, b)) == []


def test_all_differences_are_told(tmp_path: Path) -> None:
    a = make(tmp_path / "a", "seq_bn")
    b = make(tmp_path / "b", "seq_bn", non_linearity="gelu", scaling=2.0)
    found = said(compare(a, b))
    assert found == [
        "different bottleneck.non_linearity: a has 'relu', b has 'gelu'",
        "different bottleneck.scaling: a has 1.0, b has 2.0",
    ]
