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
    assert {"with", "merge", "heads", "for_each"} <= set(step["properties"])
    assert "with_" not in step["properties"]
    assert {"TrainStep", "EvaluateStep", "Dataset", "Head"} <= set(schema["$defs"])
    for model in (schema, *schema["$defs"].values()):
        assert model["examples"]
        assert all(field["description"] for field in model["properties"].values())


def test_methods_become_an_enum() -> None:
    assert "anyOf" not in recipe_json_schema()["$defs"]["MergeStep"]["properties"]["merge"]
    step = recipe_json_schema({"ties": {}, "linear": {}})["$defs"]["MergeStep"]
    assert step["properties"]["merge"]["anyOf"][0] == {"enum": ["linear", "ties"]}
    assert "allOf" not in step


def test_examples_are_recipes() -> None:
    from xlmerge import recipe
    from xlmerge.recipe import Recipe

    schema = recipe_json_schema()
    for example in schema["examples"]:
        Recipe.model_validate(example)
    for name in ("MergeStep", "TrainStep", "EvaluateStep", "Dataset", "Head"):
        for example in schema["$defs"][name]["examples"]:
            getattr(recipe, name).model_validate(example)


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
        RECIPE | {"datasets": []},
        RECIPE | {"datasets": {"d": {"path": "x", "format": "xls"}}},
        RECIPE | {"heads": {"h": {"path": "x"}}},
        broken(for_each={"x": []}),
        broken(for_each={"x": [True]}),
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


LIVE: dict[str, Any] = {
    "version": 1,
    "base_model": "m",
    "adapters": {"language": "a/<language>"},
    "datasets": {"d": {"path": "d/<language>", "limit": {"train": 3}}, "e": "hub/e"},
    "heads": {"h": {"path": "h.bin", "task": "sorting", "pooling": "mean"}},
    "steps": {
        "t": {
            "for_each": {"seed": [0, "x"]},
            "train": "fitter",
            "task": {"sorting": {"width": 3}},
            "on": {"stack": ["language/jav", "language/sun"], "weights": [1, 2]},
            "data": {"train": {"d/jav": 0.5, "d/sun": 0.5}, "validation": ["d/jav"]},
            "adapter": {"config": "seq_bn", "reduction_factor": 2},
            "with": {"seed": "<seed>", "steps": 3},
        },
        "v": {
            "evaluate": "sorting",
            "for_each": {"language": ["jav"], "seed": [0]},
            "data": "d",
            "rows": {"one": {"stack": ["language", "t"]}, "two": "t"},
            "head": "h",
            "with": {"batch_size": 8},
        },
    },
}


def live(step: str, **changed: Any) -> dict[str, Any]:
    return LIVE | {"steps": LIVE["steps"] | {step: LIVE["steps"][step] | changed}}


def test_trainers_and_tasks() -> None:
    from xlmerge.recipe import Recipe

    jsonschema = pytest.importorskip("jsonschema")
    whole = {"type": "integer"}
    schema = recipe_json_schema(
        {"linear": {}},
        trainers={"fitter": {"properties": {"seed": {}, "steps": whole}}},
        tasks={"sorting": {"properties": {"width": whole}, "additionalProperties": False}},
        evaluation={"properties": {"batch_size": whole}, "additionalProperties": False},
    )
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for right in (LIVE, live("t", train="<seed>"), live("t", task="sorting", adapter="seq_bn")):
        Recipe.model_validate(right)
        validator.validate(right)
    for wrong in (
        live("t", train="fiter"),
        live("t", task="sortin"),
        live("t", task={"sorting": {"widht": 3}}),
        live("t", task={}),
        live("t", data=[]),
        live("t", adapter={"reduction_factor": 2}),
        live("t", on=5),
        live("t", merge="linear"),
        live("t", **{"with": {"steps": "x"}}),
        live("v", evaluate="sort"),
        live("v", rows={}),
        live("v", **{"with": {"batch": 1}}),
    ):
        assert not validator.is_valid(wrong), wrong
