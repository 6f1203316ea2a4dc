"""Recipes: YAML in, checked and frozen data out, with a position in the file for every problem.

The names below load their modules when first used, so that importing this package costs next to
nothing and brings in no pydantic.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xlmerge.recipe.json_schema import recipe_json_schema
    from xlmerge.recipe.loader import LoadedRecipe, load_recipe, recipe_from_data, recipe_from_text
    from xlmerge.recipe.schema import MergeStep, Recipe

__all__ = [
    "LoadedRecipe",
    "MergeStep",
    "Recipe",
    "load_recipe",
    "recipe_from_data",
    "recipe_from_text",
    "recipe_json_schema",
]

_HOMES = {
    "LoadedRecipe": "loader",
    "MergeStep": "schema",
    "Recipe": "schema",
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
