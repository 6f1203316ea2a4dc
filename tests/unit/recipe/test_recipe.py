"""Recipes that are right: what they hold, and in which order their steps run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from xlmerge.errors import RecipeError
from xlmerge.recipe import (
    MergeStep,
    Recipe,
    load_recipe,
    recipe_from_data,
    recipe_from_text,
)

RECIPE = """\
version: 1
base_model: FacebookAI/xlm-roberta-base
base_model_aliases: [xlm-roberta-base]
adapters:
  no: ./adapters/norwegian
  2: org/second@main
  sentiment: ./adapters/sentiment
  spare: ./adapters/spare
steps:
  final:
    merge: adamergex
    roles: {task_in_source: sentiment, reference_in_target: bridge}
    with: {t: {layers.0-5: 0.2, "*": 1}, names: [a, b], trim: null, flag: true}
    heads: from sentiment
    dtype: bfloat16
    format: bin
  bridge:
    merge: linear
    adapters: {no: 0.4, 2: {"*": 1}}
  both:
    merge: ties
    adapters: [no, "2"]
    heads: mean
"""


def chain(**steps: list[str]) -> Recipe:
    made = {name: {"merge": "linear", "adapters": used} for name, used in steps.items()}
    data = {"version": 1, "adapters": {"x": "./x", "y": "./y"}, "steps": made}
    return recipe_from_data(data).recipe


def test_holds_what_was_written() -> None:
    recipe = recipe_from_text(RECIPE, "r.yaml").recipe
    assert recipe.base_model == "FacebookAI/xlm-roberta-base"
    assert recipe.base_model_aliases == ("xlm-roberta-base",)
    assert list(recipe.adapters) == ["no", "2", "sentiment", "spare"]
    final = recipe.steps["final"]
    assert final.roles == {"task_in_source": "sentiment", "reference_in_target": "bridge"}
    assert final.with_ == {
        "t": {"layers.0-5": 0.2, "*": 1},
        "names": ("a", "b"),
        "trim": None,
        "flag": True,
    }
    assert isinstance(final.with_["t"], dict)
    assert type(final.with_["t"]["*"]) is int
    assert final.with_["flag"] is True
    assert (final.heads, final.heads_from) == ("from sentiment", "sentiment")
    assert (final.dtype, final.format) == ("bfloat16", "bin")
    assert recipe.steps["bridge"].adapters == {"no": 0.4, "2": {"*": 1}}
    assert recipe.steps["both"].adapters == ("no", "2")
    assert recipe.steps["both"].heads_from is None


def test_order_and_uses() -> None:
    recipe = recipe_from_text(RECIPE, "r.yaml").recipe
    assert recipe.order() == ("bridge", "final", "both")
    assert recipe.unused_adapters() == ("spare",)
    assert recipe.steps["final"].inputs() == ("sentiment", "bridge")


def test_order_is_that_of_the_file_where_it_can_be() -> None:
    recipe = chain(d=["x", "a"], c=["x"], b=["c", "y"], a=["b"], e=["x"])
    assert recipe.order() == ("c", "b", "a", "d", "e")


def test_long_chains_need_no_recursion() -> None:
    steps = {f"s{i}": [f"s{i + 1}"] for i in range(3000)} | {"s3000": ["x"]}
    assert chain(**steps).order()[0] == "s3000"


def test_is_frozen() -> None:
    import pydantic

    recipe = recipe_from_text(RECIPE, "r.yaml").recipe
    with pytest.raises(pydantic.ValidationError):
        recipe.version = 1  # type: ignore[misc]


def test_models_made_directly_are_checked_too() -> None:
    import pydantic

    with pytest.raises(pydantic.ValidationError, match="there is no adapter or step `a`"):
        Recipe(version=1, steps={"s": MergeStep(merge="linear", adapters=("a",))})


def test_folder_and_filename(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    loaded = load_recipe(path)
    assert (loaded.folder, loaded.filename) == (tmp_path, str(path))
    assert loaded.where(("steps", "bridge", "merge")) == f"{path}:18:12"
    assert loaded.where(("steps", "bridge"), key=True) == f"{path}:17:3"
    assert recipe_from_text(RECIPE, "<stdin>").folder == Path()
    assert recipe_from_text(RECIPE, "a/r.yaml").folder == Path("a")
    assert recipe_from_text(RECIPE, "a/r.yaml", folder=tmp_path).folder == tmp_path


def test_data_has_places_in_words() -> None:
    data = {
        "version": 1,
        "adapters": {"x": "./x"},
        "steps": {"s": {"merge": "m", "adapters": ["x"]}},
    }
    loaded = recipe_from_data(data, ["steps.s.with.t=1"])
    assert data["steps"] == {"s": {"merge": "m", "adapters": ["x"]}}
    assert loaded.where(("steps", "s", "adapters", 0)) == "steps.s.adapters.0"
    assert loaded.where(("steps", "s", "with", "a.b")) == "--set steps.s.with.t"
    assert loaded.where(("adapters", "a.b")) == 'adapters."a.b"'
    assert loaded.where(()) == "<command line>"
    with pytest.raises(RecipeError) as caught:
        recipe_from_data({"version": 1, "steps": {"s": {"merge": 1, 2: 3, "adapters": {4: 5}}}})
    places = {problem.where for problem in caught.value.problems}
    assert places == {"steps.s.merge", "steps.s.2", "steps.s.adapters.4"}


def test_importing_the_package_brings_in_no_pydantic() -> None:
    code = (
        "import sys, xlmerge.recipe, xlmerge.recipe.loader, xlmerge.recipe.json_schema;"
        "assert 'pydantic' not in sys.modules and 'pydantic_core' not in sys.modules;"
        "xlmerge.recipe.Recipe;"
        "assert set(xlmerge.recipe.__all__) <= set(dir(xlmerge.recipe))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_names_of_the_package() -> None:
    import xlmerge.recipe

    with pytest.raises(AttributeError, match="nothing"):
        xlmerge.recipe.nothing  # noqa: B018
