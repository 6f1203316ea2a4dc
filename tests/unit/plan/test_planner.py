"""Planning: every kind of problem, with what, where, expected, found and the next step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import xlmerge
from builders import check_problems, make, registry, write_recipe

if TYPE_CHECKING:
    from pathlib import Path


def one_problem(folder: Path, step: dict[str, Any], *words: str, **more: Any) -> None:
    """Check a step ``out`` on adapters a, b, c, which must have one problem that says all words."""
    names = ("a", "b", "c")
    recipe = write_recipe(folder, {name: f"./{name}" for name in names}, {"out": step}, **more)
    found = check_problems(recipe)
    assert len(found) == 1, found
    for word in ("recipe.yaml:", *words):
        assert word in found[0], found[0]


@pytest.fixture
def bottlenecks(tmp_path: Path) -> Path:
    for seed, name in enumerate("abc"):
        make(tmp_path / name, "seq_bn_inv", seed=seed)
    return tmp_path


@pytest.fixture
def loras(tmp_path: Path) -> Path:
    for seed, name in enumerate("abc"):
        make(tmp_path / name, "lora", seed=seed)
    return tmp_path


AB = {"a": 0.5, "b": 0.5}
ROLES = {"task_in_source": "a", "reference_in_source": "b", "reference_in_target": "c"}


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"merge": "lineal", "adapters": AB}, ["'lineal'", "did you mean 'linear'"]),
        ({"merge": "linear", "adapters": ["a", "b"]}, ["needs a weight", "{a: 0.5, b: 0.5}"]),
        ({"merge": "ties", "adapters": AB}, ["ties takes no weights", "adapters: [a, b]"]),
        ({"merge": "slerp", "adapters": ["a"]}, ["exactly 2 adapters", "found 1"]),
        ({"merge": "slerp", "adapters": ["a", "b", "c"]}, ["exactly 2 adapters", "found 3"]),
        (
            {"merge": "linear", "adapters": AB, "roles": {"task": "c"}},
            ["no role `task`", "has no roles"],
        ),
        (
            {"merge": "task_arithmetic", "adapters": AB, "roles": {"inital": "c"}},
            ["no role `inital`", "did you mean `initial`", "initial (optional)"],
        ),
        (
            {"merge": "adamergex", "roles": {**ROLES, "reference_in_source": "c"}},
            ["reference_in_source and reference_in_target are one adapter, c", "give"],
        ),
        (
            {"merge": "adamergex", "roles": {"task_in_source": "a", "reference_in_source": "b"}},
            ["needs the role `reference_in_target`", "its roles: task_in_source:"],
        ),
        (
            {"merge": "slerp", "adapters": ["a", "b"], "with": {"tt": 1}},
            ["slerp on bottleneck + nice has no parameter `tt`", "its parameters: scope, t"],
        ),
        (
            {"merge": "slerp", "adapters": ["a", "b"], "with": {"t": 2}},
            ["`t` expects a number in [0, 1]", "found 2"],
        ),
        (
            {"merge": "slerp", "adapters": ["a", "b"], "with": {"t": True}},
            ["`t` expects", "found True"],
        ),
        (
            {"merge": "slerp", "adapters": ["a", "b"], "with": {"t": "0.5"}},
            ["`t` expects", "found '0.5'"],
        ),
        (
            {"merge": "slerp", "adapters": ["a", "b"], "with": {"t": [0.5]}},
            ["`t` expects", "found (0.5,)"],
        ),
        (
            {"merge": "slerp", "adapters": ["a", "b"], "with": {"scope": "model"}},
            ["works per parameter or layer or adapter", "found scope 'model'"],
        ),
        (
            {"merge": "linear", "adapters": AB, "with": {"scope": "layer"}},
            ["works per parameter", "'layer'"],
        ),
        (
            {"merge": "linear", "adapters": AB, "with": {"seed": 1}},
            ["has no parameter `seed`"],
        ),
        (
            {"merge": "dare", "adapters": AB, "with": {"seed": -1}},
            ["`seed` expects a whole number at least 0", "-1"],
        ),
        (
            {"merge": "dare", "adapters": AB, "with": {"seed": {"layers.0": 1, "*": 2}}},
            ["`seed` is one number"],
        ),
        (
            {"merge": "linear", "adapters": AB, "with": {"rank": 4}},
            ["no parameter `rank`"],
        ),
        (
            {"merge": "linear", "adapters": {"a": {"layers.0": 1, "lyers.1": 1, "*": 0}, "b": 1}},
            ["the weight of a", "'lyers.1' decides no parameter", "parts bottleneck, invertible"],
        ),
        (
            {"merge": "linear", "adapters": {"a": {"layers.0-1": 1}, "b": 1}},
            ["the weight of a", "no pattern gives a value", "invertible"],
        ),
        (
            {
                "merge": "slerp",
                "adapters": ["a", "b"],
                "with": {"scope": "adapter", "t": {"invertible": 0, "*": 1}},
            },
            ["`t`", "whole adapter at once", "1.0, 0.0"],
        ),
        (
            {"merge": "linear", "adapters": {"a": 0.5, "b": -0.5}, "with": {"normalize": True}},
            ["sum to 0"],
        ),
        (
            {"merge": "language_arithmetic", "adapters": {"a": 0.5, "b": 0.4}},
            ["sum to 0.9", "`initial`"],
        ),
    ],
)
def test_one_problem(bottlenecks: Path, step: dict[str, Any], words: list[str]) -> None:
    one_problem(bottlenecks, step, *words)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (
            {"merge": "ties", "adapters": ["a", "b"]},
            ["full rank", "`rank: 16`", "`elements: factors`"],
        ),
        (
            {"merge": "linear", "adapters": AB, "with": {"rank": 2, "tolerance": 0.1}},
            ["give one of rank, tolerance"],
        ),
        (
            {"merge": "linear", "adapters": AB, "with": {"rank": 0}},
            ["`rank` expects a whole number at least 1", "0"],
        ),
        (
            {"merge": "linear", "adapters": AB, "with": {"rank": 1.5}},
            ["`rank` expects whole number at least 1", "1.5"],
        ),
        (
            {"merge": "linear", "adapters": AB, "with": {"elements": "factor"}},
            ["one of delta, factors", "'factor'"],
        ),
        (
            {"merge": "linear", "adapters": AB, "with": {"rank": {"*.valeu": 1, "*": 2}}},
            ["`rank`", "'*.valeu' decides no parameter"],
        ),
        (
            {"merge": "linear", "adapters": AB, "with": {"tolerence": 0.1}},
            ["no parameter `tolerence`", "did you mean `tolerance`"],
        ),
    ],
)
def test_one_problem_of_a_space(loras: Path, step: dict[str, Any], words: list[str]) -> None:
    one_problem(loras, step, *words)


def test_all_problems_of_all_steps_at_once(bottlenecks: Path) -> None:
    recipe = write_recipe(
        bottlenecks,
        {"a": "./a", "b": "./b", "gone": "./gone"},
        {
            "first": {"merge": "linear", "adapters": {"a": 1, "gone": 1}, "with": {"nrm": True}},
            "second": {"merge": "ties", "adapters": ["a", "b"], "with": {"density": 7, "x": 1}},
            "third": {"merge": "nothing", "adapters": ["second"]},
            "fourth": {
                "merge": "slerp",
                "adapters": ["a", "gone"],
                "roles": {"x": "b"},
                "with": {"t": 3},
            },
        },
    )
    found = check_problems(recipe)
    for words in (
        "./gone: no such folder",
        "density",
        "`x`",
        "'nothing'",
        "no role `x`",
        "found 3",
    ):
        assert any(words in problem for problem in found), (words, found)
    assert len(found) == 6


def test_a_step_takes_a_steps_result(bottlenecks: Path) -> None:
    recipe = write_recipe(
        bottlenecks,
        {"a": "./a", "b": "./b", "c": "./c"},
        {
            "third": {"merge": "linear", "adapters": {"second": 1, "first": 1}},
            "second": {"merge": "slerp", "adapters": ["first", "c"]},
            "first": {"merge": "linear", "adapters": AB, "dtype": "float16"},
        },
    )
    # The precision of a result that does not exist yet is known, too.
    [problem] = check_problems(recipe)
    assert "first is stored as float16, c as float32" in problem
    assert "dtype: float32" in problem
    recipe.write_text(recipe.read_text().replace('"dtype": "float16"', '"dtype": "float32"'))
    work = xlmerge.check(recipe, registry=registry())
    assert [plan.name for plan in work.plans] == ["first", "second", "third"]


def test_differences_between_two_steps_of_one_first_input(tmp_path: Path) -> None:
    """Drafts of results borrow a folder; that does not make them one adapter."""
    for seed, name in enumerate("abc"):
        make(tmp_path / name, "lora", seed=seed)
    recipe = write_recipe(
        tmp_path,
        {name: f"./{name}" for name in "abc"},
        {
            "one": {"merge": "linear", "adapters": {"a": 1, "b": 1}},
            "two": {"merge": "linear", "adapters": {"a": 1, "b": -1}},
            "out": {
                "merge": "adamergex",
                "roles": {
                    "task_in_source": "c",
                    "reference_in_source": "one",
                    "reference_in_target": "two",
                },
            },
        },
    )
    assert len(xlmerge.check(recipe, registry=registry()).plans) == 3


def test_listed_adapters_are_sorted_where_order_means_nothing(bottlenecks: Path) -> None:
    recipe = write_recipe(
        bottlenecks,
        {"a": "./a", "b": "./b"},
        {
            "even": {"merge": "linear", "adapters": {"b": 0.5, "a": 0.5}},
            "ordered": {"merge": "slerp", "adapters": ["b", "a"]},
        },
    )
    plans = {plan.name: plan for plan in xlmerge.check(recipe, registry=registry()).plans}
    assert [item.name for item in plans["even"].inputs] == ["a", "b"]
    assert [item.name for item in plans["ordered"].inputs] == ["b", "a"]


@pytest.mark.parametrize(
    "weight", [float("nan"), float("inf"), True, "1", None, pytest.param(10**400, id="huge")]
)
def test_weights_from_python_are_finite_numbers(bottlenecks: Path, weight: object) -> None:
    from builders import merge_error

    said = merge_error(
        "linear", {bottlenecks / "a": weight, bottlenecks / "b": 1}, output=bottlenecks / "out"
    )
    assert "`weight of a` expects" in said
