"""The JSON Schema of recipes, for completion and red underlines in editors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SCHEMA_ID", "recipe_json_schema"]

SCHEMA_ID = "urn:xlmerge:schema:recipe-1"
"""Names the schema; nobody looks it up."""


def recipe_json_schema(
    methods: Mapping[str, Mapping[str, object]] | None = None,
) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a recipe.

    It says less than the checks of a recipe do: whether names are defined, for one, is beyond it.

    Args:
        methods: The installed merge methods: name to the JSON Schema of the method's ``with``,
            empty where it has none to give. With it, ``merge`` takes these names only.

    Returns:
        The schema as plain data.
    """
    from xlmerge.recipe.schema import Recipe

    generated = Recipe.model_json_schema(by_alias=True)
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        **generated,
        "title": "xlmerge recipe",
    }
    if methods is not None:
        step = schema["$defs"]["MergeStep"]
        step["properties"]["merge"]["enum"] = sorted(methods)
        described = [_parameters(name, methods[name]) for name in sorted(methods) if methods[name]]
        if described:
            step["allOf"] = described
    return schema


def _parameters(name: str, parameters: Mapping[str, object]) -> dict[str, Any]:
    """Checks ``with`` against a method's own schema where ``merge`` names that method."""
    return {
        "if": {"properties": {"merge": {"const": name}}, "required": ["merge"]},
        "then": {"properties": {"with": dict(parameters)}},
    }
