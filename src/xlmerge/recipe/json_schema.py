"""The JSON Schema of recipes, for completion and red underlines in editors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SCHEMA_ID", "recipe_json_schema"]

SCHEMA_ID = "urn:xlmerge:schema:recipe-1"
"""Names the schema; nobody looks it up."""

Described: TypeAlias = "Mapping[str, Mapping[str, object]]"


def recipe_json_schema(
    methods: Described | None = None,
    *,
    trainers: Described | None = None,
    tasks: Described | None = None,
    evaluation: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a recipe.

    It says less than the checks of a recipe do: whether names are defined, for one, is beyond it.

    Args:
        methods: The installed merge methods: name to the JSON Schema of the method's ``with``,
            empty where it has none to give. With it, ``merge`` takes these names only.
        trainers: The installed trainers, likewise, for ``train``.
        tasks: The installed tasks: name to the JSON Schema of its options.
        evaluation: The JSON Schema of ``with`` in evaluation steps.

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
    kinds = schema["$defs"]
    if methods is not None:
        _one_of_these(kinds["MergeStep"], "merge", methods)
    if trainers is not None:
        _one_of_these(kinds["TrainStep"], "train", trainers)
    if tasks is not None:
        kinds["Task"] = _task(tasks)
        for kind, key in (("TrainStep", "task"), ("EvaluateStep", "evaluate")):
            described = kinds[kind]["properties"][key]
            kept = {name: described[name] for name in ("description", "examples")}
            kinds[kind]["properties"][key] = {**kept, "$ref": "#/$defs/Task"}
        kinds["Head"]["properties"]["task"]["anyOf"] = [{"enum": sorted(tasks)}, _WITH_PLACEHOLDER]
    if evaluation is not None:
        kinds["EvaluateStep"]["properties"]["with"] |= evaluation
    return schema


_WITH_PLACEHOLDER = {"type": "string", "pattern": "<[A-Za-z0-9_-]+>"}


def _one_of_these(step: dict[str, Any], key: str, described: Described) -> None:
    """Takes these names only, and checks ``with`` by what stands under the one that is named."""
    named = step["properties"][key]
    named["anyOf"] = [{"enum": sorted(described)}, _WITH_PLACEHOLDER]
    rules = [
        {
            "if": {"properties": {key: {"const": name}}, "required": [key]},
            "then": {"properties": {"with": dict(described[name])}},
        }
        for name in sorted(described)
        if described[name]
    ]
    if rules:
        step["allOf"] = rules


def _task(tasks: Described) -> dict[str, Any]:
    """A task by name, or with its options."""
    return {
        "anyOf": [
            {"enum": sorted(tasks)},
            _WITH_PLACEHOLDER,
            {
                "type": "object",
                "properties": {
                    name: {"type": "object", **options} for name, options in tasks.items()
                },
                "patternProperties": {_WITH_PLACEHOLDER["pattern"]: {"type": "object"}},
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 1,
            },
        ]
    }
