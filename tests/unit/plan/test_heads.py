"""Heads: what the recipe says, what the method says, and what cannot be averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import xlmerge
from builders import check_problems, edit_head, make, registry, write_recipe

if TYPE_CHECKING:
    from pathlib import Path

AB = {"a": 0.5, "b": 0.5}
LIBRARIES = ["seq_bn", "peft_lora"]


def policy(folder: Path, **step: Any) -> str:
    """What the plan makes of the heads of a step on adapters a, b, c."""
    adapters = {name: f"./{name}" for name in "abc" if (folder / name).is_dir()}
    step = {"merge": "linear", "adapters": AB, **step}
    recipe = write_recipe(folder, adapters, {"out": step})
    [plan] = xlmerge.check(recipe, registry=registry()).plans
    return str(plan.heads)


def problem(folder: Path, **step: Any) -> str:
    adapters = {name: f"./{name}" for name in "abc" if (folder / name).is_dir()}
    recipe = write_recipe(folder, adapters, {"out": {"merge": "linear", "adapters": AB, **step}})
    [found] = check_problems(recipe)
    return found


def pair(folder: Path, kind: str, *labels: int) -> Path:
    for seed, (name, count) in enumerate(zip("abc", labels, strict=False)):
        make(folder / name, kind, seed=seed, labels=count)
    return folder


@pytest.mark.parametrize("kind", LIBRARIES)
class TestPolicies:
    def test_none(self, tmp_path: Path, kind: str) -> None:
        assert policy(pair(tmp_path, kind, 0, 0)) == "none"
        assert policy(tmp_path, heads="drop") == "none"

    def test_one_is_carried(self, tmp_path: Path, kind: str) -> None:
        assert policy(pair(tmp_path, kind, 0, 3)) == "from b"

    def test_several_are_asked_about(self, tmp_path: Path, kind: str) -> None:
        said = problem(pair(tmp_path, kind, 3, 3))
        for word in (
            "out: 2 inputs have a prediction head (a, b)",
            "heads: from a",
            "mean",
            "drop",
        ):
            assert word in said

    def test_what_the_recipe_says(self, tmp_path: Path, kind: str) -> None:
        pair(tmp_path, kind, 3, 3)
        assert policy(tmp_path, heads="from b") == "from b"
        assert policy(tmp_path, heads="mean") == "mean a, b"
        assert policy(tmp_path, heads="drop") == "dropped"

    def test_from_one_without(self, tmp_path: Path, kind: str) -> None:
        said = problem(pair(tmp_path, kind, 3, 0), heads="from b")
        assert "`b` has no head; with a head: a" in said

    def test_from_one_that_is_no_input(self, tmp_path: Path, kind: str) -> None:
        said = problem(pair(tmp_path, kind, 3, 0, 3), heads="from c")
        assert "`c` is not among the inputs: a, b" in said

    def test_the_mean_of_none(self, tmp_path: Path, kind: str) -> None:
        assert "no input has a head" in problem(pair(tmp_path, kind, 0, 0), heads="mean")

    def test_the_mean_of_different_sizes(self, tmp_path: Path, kind: str) -> None:
        said = problem(pair(tmp_path, kind, 3, 2), heads="mean")
        assert "the heads of a and b differ in form" in said
        assert "(3,) and (2,)" in said
        assert "heads: from b" in said

    def test_the_task_gives_the_head(self, tmp_path: Path, kind: str) -> None:
        """Whatever heads the references carry."""
        pair(tmp_path, kind, 2, 5, 5)
        roles = {"task_in_source": "a", "reference_in_source": "b", "reference_in_target": "c"}
        adamergex = {"merge": "adamergex", "adapters": None, "roles": roles}
        assert policy(tmp_path, **adamergex) == "from a"
        assert policy(tmp_path, **adamergex, heads="from b") == "from b"

        # A task without a head gets none.
        roles = {"task_in_source": "b", "reference_in_source": "a", "reference_in_target": "c"}
        pair(tmp_path / "more", kind, 5, 0, 5)
        assert policy(tmp_path / "more", **{**adamergex, "roles": roles}) == "dropped"

    def test_language_arithmetic_carries_none(self, tmp_path: Path, kind: str) -> None:
        pair(tmp_path, kind, 3, 3)
        assert policy(tmp_path, merge="language_arithmetic") == "dropped"
        said = problem(tmp_path, merge="language_arithmetic", heads="mean")
        assert "never carries a head" in said

    def test_a_result_has_the_head_that_it_will_have(self, tmp_path: Path, kind: str) -> None:
        pair(tmp_path, kind, 0, 3, 0)
        recipe = write_recipe(
            tmp_path,
            {name: f"./{name}" for name in "abc"},
            {
                "one": {"merge": "linear", "adapters": {"a": 1, "c": 1}},
                "two": {"merge": "linear", "adapters": {"a": 1, "b": 1}},
                "out": {"merge": "linear", "adapters": {"one": 1, "two": 1}},
            },
        )
        plans = xlmerge.check(recipe, registry=registry()).plans
        assert [str(plan.heads) for plan in plans] == ["none", "from b", "from two"]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"label2id": {"LABEL_1": 0, "LABEL_0": 1, "LABEL_2": 2}}, "label2id"),
        ({"head_type": "tagging"}, "head_type"),
        ({"activation_function": "relu"}, "activation_function"),
    ],
)
def test_heads_of_another_meaning(tmp_path: Path, changes: dict[str, Any], word: str) -> None:
    pair(tmp_path, "seq_bn", 3, 3)
    edit_head(tmp_path / "b", **changes)
    said = problem(tmp_path, heads="mean")
    assert f"the heads of a and b differ in `{word}`" in said
    assert policy(tmp_path, heads="from b") == "from b"
