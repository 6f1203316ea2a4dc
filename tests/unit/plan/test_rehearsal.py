"""Conditions between parameters are heard of before a file is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

import xlmerge
from builders import check_problems, make, registry, write_recipe
from xlmerge.errors import ParameterError
from xlmerge.plugin import Point, Random, Weights, hookimpl, load_registry, merge_method

if TYPE_CHECKING:
    from pathlib import Path

    from xlmerge.plugin import Registry


@merge_method(summary="Looks into points.", source="nobody")
def looks_inside(space: Any, *, adapters: Sequence[Point]) -> Point:
    return adapters[0] + adapters[1]  # type: ignore[operator]


@merge_method(summary="Refuses.", source="nobody")
def refuses(space: Any, *, adapters: Sequence[Point], weights: Weights, rng: Random) -> Point:
    if max(weights) > 1:
        raise ParameterError("a weight above 1", hint="take a smaller one")
    return space.undense(
        space.elementwise(lambda *arrays: sum(arrays), *map(space.dense, adapters))
    )


class Plugin:
    xlmerge_api_version = 0

    @staticmethod
    @hookimpl
    def xlmerge_merge_methods() -> list[Any]:
        return [looks_inside, refuses]


@pytest.fixture
def with_methods() -> Registry:
    import xlmerge_standard.plugin

    plugins = [("standard", xlmerge_standard.plugin), ("mine", Plugin)]
    return load_registry(plugins, strict=True)


def recipe_of(folder: Path, step: dict[str, Any]) -> Path:
    for seed, name in enumerate("ab"):
        make(folder / name, "seq_bn", seed=seed)
    return write_recipe(folder, {"a": "./a", "b": "./b"}, {"out": step})


def test_a_method_that_looks_into_points_is_let_be(tmp_path: Path, with_methods: Registry) -> None:
    recipe = recipe_of(tmp_path, {"merge": "looks_inside", "adapters": ["a", "b"]})
    assert xlmerge.check(recipe, registry=with_methods).plans


def test_what_a_method_says_of_its_weights(tmp_path: Path, with_methods: Registry) -> None:
    step = {"merge": "refuses", "adapters": {"a": {"layers.1": 2, "*": 1}, "b": 1}}
    with pytest.raises(xlmerge.XLMergeError) as caught:
        xlmerge.check(recipe_of(tmp_path, step), registry=with_methods)
    assert "a weight above 1\n  -> take a smaller one" in str(caught.value)
    assert "recipe.yaml:" in str(caught.value)


def test_every_set_of_values_is_tried(tmp_path: Path) -> None:
    """Weights that sum to 1 in one part and not in another."""
    make(tmp_path / "a", "seq_bn_inv")
    make(tmp_path / "b", "seq_bn_inv", seed=1)
    weights = {"a": {"invertible": 0.5, "*": 0.7}, "b": 0.3}
    step = {"merge": "language_arithmetic", "adapters": weights}
    recipe = write_recipe(tmp_path, {"a": "./a", "b": "./b"}, {"out": step})
    [problem] = check_problems(recipe)
    assert "sum to 0.8" in problem
    step["adapters"] = {"a": {"invertible": 0.7, "*": 0.7}, "b": 0.3}
    write_recipe(tmp_path, {"a": "./a", "b": "./b"}, {"out": step})
    assert xlmerge.check(recipe, registry=registry()).plans


@pytest.mark.parametrize("kind", ["ia3", "peft_ia3"])
def test_an_option_that_only_transport_reads_is_refused_where_none_happens(
    tmp_path: Path, kind: str
) -> None:
    for seed, name in enumerate("ab"):
        make(tmp_path / name, kind, seed=seed)
    step = {"merge": "linear", "adapters": {"a": 0.5, "b": 0.5}, "with": {"ridge": 0.1}}
    recipe = write_recipe(tmp_path, {"a": "./a", "b": "./b"}, {"out": step})
    [problem] = check_problems(recipe)
    assert "`ridge` has no effect here" in problem
    assert "linear" in problem


def test_an_option_of_transport_is_taken_where_it_happens(tmp_path: Path) -> None:
    for seed, name in enumerate("abc"):
        make(tmp_path / name, "ia3", seed=seed)
    roles = {"task_in_source": "a", "reference_in_source": "b", "reference_in_target": "c"}
    step = {"merge": "adamergex", "roles": roles, "with": {"ridge": 0.1}}
    recipe = write_recipe(tmp_path, {name: f"./{name}" for name in "abc"}, {"out": step})
    assert xlmerge.check(recipe).plans
