"""The JSON Schema of recipes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from xlmerge.recipe import recipe_json_schema

RECIPE: dict[str, Any] = {
    "version": 1,
    "adapters": {"a": "./a", "b": "org/b@main"},
    "steps": {
        "s": {"merge": "linear", "adapters": {"a": 1, "b": {"layers.0": 0.5}}, "heads": "from a"},
        "t": {"merge": "ties", "roles": {"r": "s"}, "with": {"x": [1, "y"], "z": {"*": None}}},
    },
}


def broken(**step: Any) -> dict[str, Any]:
    return RECIPE | {"steps": {"s": {"merge": "linear", "adapters": ["a"]} | step}}


def test_is_plain_json_with_a_description_everywhere() -> None:
    schema = recipe_json_schema()
    json.dumps(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "xlmerge recipe"
    step = schema["$defs"]["MergeStep"]
    assert {"with", "merge", "heads"} <= set(step["properties"])
    assert "with_" not in step["properties"]
    for model in (schema, step):
        assert model["examples"]
        assert all(field["description"] for field in model["properties"].values())


def test_methods_become_an_enum() -> None:
    assert "enum" not in recipe_json_schema()["$defs"]["MergeStep"]["properties"]["merge"]
    step = recipe_json_schema({"ties": {}, "linear": {}})["$defs"]["MergeStep"]
    assert step["properties"]["merge"]["enum"] == ["linear", "ties"]
    assert "allOf" not in step


def test_examples_are_recipes() -> None:
    from xlmerge.recipe import MergeStep, Recipe

    schema = recipe_json_schema()
    for example in schema["examples"]:
        Recipe.model_validate(example)
    for example in schema["$defs"]["MergeStep"]["examples"]:
        MergeStep.model_validate(example)


def test_tells_recipes_from_others() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    methods = {"linear": {"properties": {"t": {"type": "number"}}}, "ties": {}}
    schema = recipe_json_schema(methods)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(RECIPE)
    validator.validate(broken())
    for example in schema["examples"]:
        jsonschema.Draft202012Validator(recipe_json_schema()).validate(example)
    for wrong in (
        RECIPE | {"version": 2},
        RECIPE | {"steps": {}},
        RECIPE | {"adapters": {"a b": "x"}},
        RECIPE | {"datasets": {}},
        broken(merge="nothing"),
        broken(adapters={"a": "1"}),
        broken(adapters=[]),
        broken(heads="from"),
        broken(dtype="int8"),
        broken(colour="red"),
        {"steps": RECIPE["steps"]} | {"version": 1, "steps": {"s": {"adapters": ["a"]}}},
        broken(**{"with": {"t": "x"}}),
    ):
        assert not validator.is_valid(wrong), wrong
