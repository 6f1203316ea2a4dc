"""Recipes: YAML in, checked and frozen data out, with a position in the file for every problem.

The names below load their modules when first used, so that importing this package costs next to
nothing and brings in no pydantic.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xlmerge.recipe.expanded import (
        ExpandedCell,
        ExpandedEvaluate,
        ExpandedMerge,
        ExpandedTrain,
        Expansion,
    )
    from xlmerge.recipe.json_schema import recipe_json_schema
    from xlmerge.recipe.loader import LoadedRecipe, load_recipe, recipe_from_data, recipe_from_text
    from xlmerge.recipe.schema import Dataset, EvaluateStep, Head, MergeStep, Recipe, TrainStep

__all__ = [
    "Dataset",
    "EvaluateStep",
    "ExpandedCell",
    "ExpandedEvaluate",
    "ExpandedMerge",
    "ExpandedTrain",
    "Expansion",
    "Head",
    "LoadedRecipe",
    "MergeStep",
    "Recipe",
    "TrainStep",
    "load_recipe",
    "recipe_from_data",
    "recipe_from_text",
    "recipe_json_schema",
]

_HOMES = {
    "Dataset": "schema",
    "EvaluateStep": "schema",
    "ExpandedCell": "expanded",
    "ExpandedEvaluate": "expanded",
    "ExpandedMerge": "expanded",
    "ExpandedTrain": "expanded",
    "Expansion": "expanded",
    "Head": "schema",
    "LoadedRecipe": "loader",
    "MergeStep": "schema",
    "Recipe": "schema",
    "TrainStep": "schema",
    "load_recipe": "loader",
    "recipe_from_data": "loader",
    "recipe_from_text": "loader",
    "recipe_json_schema": "json_schema",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
