"""What the installed plugins add to the JSON Schema of recipes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from xlmerge.plugin import AtLeast, Between
from xlmerge.plugin.parameters import REQUIRED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xlmerge.plugin import MergeMethod, ParameterSpec, Registry

__all__ = ["schema_with_methods", "space_options"]

_PLACEHOLDER = {"type": "string", "pattern": "^<[A-Za-z0-9_-]+>$"}
_TYPES = {float: "number", int: "integer", bool: "boolean", str: "string"}


def space_options(registry: Registry) -> dict[str, tuple[ParameterSpec, ...]]:
    """Options that recipes may give for the kinds of adapters, by architecture."""
    found: dict[str, tuple[ParameterSpec, ...]] = {}
    for name, item in registry.architectures.items():
        by_name = {spec.name: spec for half in item.descriptor.files for spec in half.options}
        if by_name:
            found[name] = tuple(by_name.values())
    return found


def schema_with_methods(registry: Registry) -> dict[str, Any]:
    """The JSON Schema of recipes; ``with``, ``roles`` and options as each plugin takes them."""
    from xlmerge.plan.live_values import EVALUATION_OPTIONS, LIVE_OPTIONS
    from xlmerge.recipe import recipe_json_schema

    methods = {name: item.descriptor for name, item in registry.methods.items()}
    options = [spec for specs in space_options(registry).values() for spec in specs]
    schema = recipe_json_schema(
        {name: _with(each, options) for name, each in methods.items()},
        trainers={
            name: _fixed((*item.descriptor.parameters, *LIVE_OPTIONS))
            for name, item in registry.trainers.items()
        },
        tasks={name: _fixed(item.descriptor.parameters) for name, item in registry.tasks.items()},
        evaluation=_fixed(EVALUATION_OPTIONS),
    )
    for rule in schema["$defs"]["MergeStep"].get("allOf", ()):
        method = methods[rule["if"]["properties"]["merge"]["const"]]
        rule["then"]["properties"]["roles"] = _roles(method)
    return schema


def _roles(method: MergeMethod) -> dict[str, Any]:
    return {
        "properties": {role.name: {"description": role.summary} for role in method.roles},
        "required": [role.name for role in method.roles if role.required],
        "additionalProperties": False,
    }


def _with(method: MergeMethod, options: list[ParameterSpec]) -> dict[str, Any]:
    """A method's parameters, those the engine adds, and the options of every architecture."""
    properties = {spec.name: _varying(spec) for spec in (*options, *method.parameters)}
    properties["scope"] = {
        "enum": list(method.scopes),
        "default": method.scopes[0],
        "description": "what one call of the method spans",
    }
    if method.random:
        properties["seed"] = {
            "anyOf": [{"type": "integer", "minimum": 0}, _PLACEHOLDER],
            "default": 0,
            "description": "of the random draws",
        }
    return {"properties": properties, "additionalProperties": False}


def _fixed(specs: Iterable[ParameterSpec]) -> dict[str, Any]:
    """Parameters that have one value."""
    return {
        "properties": {spec.name: _described(spec, {"anyOf": _one(spec)}) for spec in specs},
        "additionalProperties": False,
    }


def _varying(spec: ParameterSpec) -> dict[str, Any]:
    """A value, or a mapping from patterns to values."""
    one = {"anyOf": _one(spec)}
    patterns = {"type": "object", "additionalProperties": one, "minProperties": 1}
    return _described(spec, {"anyOf": [*one["anyOf"], patterns]})


def _one(spec: ParameterSpec) -> list[dict[str, Any]]:
    """A value, or where that is no text a placeholder that becomes one."""
    value = _value(spec)
    return [value] if value.get("type") == "string" else [value, _PLACEHOLDER]


def _described(spec: ParameterSpec, schema: dict[str, Any]) -> dict[str, Any]:
    if spec.summary:
        schema["description"] = spec.summary
    if not spec.required:
        schema["default"] = spec.default
    return schema


def _value(spec: ParameterSpec) -> dict[str, Any]:
    if spec.many:
        one = _value(replace(spec, many=False, optional=False, default=REQUIRED))
        kinds = [one, {"type": "array", "items": one, "minItems": 1}]
        return {"anyOf": [*kinds, {"type": "null"}] if spec.optional else kinds}
    value: dict[str, Any]
    if spec.choices:
        value = {"enum": [*spec.choices, *([None] if spec.optional else [])]}
    else:
        kind = _TYPES[spec.type]
        value = {"type": [kind, "null"] if spec.optional else kind}
    if isinstance(spec.range, Between):
        value["exclusiveMinimum" if spec.range.open_low else "minimum"] = spec.range.low
        value["exclusiveMaximum" if spec.range.open_high else "maximum"] = spec.range.high
    elif isinstance(spec.range, AtLeast):
        value["exclusiveMinimum" if spec.range.open else "minimum"] = spec.range.low
    return value
