"""Pydantic's errors in the words of a recipe's author, each with its path in the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xlmerge.recipe.findings import Finding, ReferencesRefusedError
from xlmerge.recipe.schema import TAGS, MergeStep, Recipe
from xlmerge.recipe.values import VERSION, ValueRefusedError
from xlmerge.recipe.wording import code, did_you_mean, found, listing, misspelt, nearest

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

    from xlmerge.recipe.document import KeyPath

__all__ = ["schema_findings"]

_KEY = "[key]"
_EXPECTED = {
    "dict_type": "a mapping (`key: value`)",
    "model_type": "a mapping (`key: value`)",
    "tuple_type": "a list",
    "inputs": "a list of names, or a mapping from names to weights",
}


def schema_findings(error: ValidationError, data: object) -> list[Finding]:
    """Translates what pydantic found.

    Args:
        error: What `Recipe.model_validate` raised.
        data: What was validated.

    Returns:
        One finding for each thing that is wrong.
    """
    findings: list[Finding] = []
    for details in error.errors(include_url=False):
        cause = details.get("ctx", {}).get("error")
        if isinstance(cause, ReferencesRefusedError):
            findings.extend(cause.findings)
        else:
            findings.extend(_finding(details, data))
    return findings


def _finding(details: ErrorDetails, data: object) -> list[Finding]:
    path, on_key, value = _walk(details["loc"], data)
    kind, given = details["type"], details["input"]
    cause = details.get("ctx", {}).get("error")
    if kind == "missing":
        return _missing(path, str(details["loc"][-1]), value)
    if kind == "extra_forbidden":
        return [_unknown_key(path)]
    if kind == "too_short" and given:  # pydantic counts the right items only
        return []
    hint: str | None = None
    if isinstance(cause, ValueRefusedError):
        message, hint = cause.message, cause.hint
    elif kind == "literal_error":
        message, hint = _choice(path, given)
    elif kind == "too_short":
        message, hint = f"expected at least one entry, found {found(given)}", None
    elif kind in {"string_type", "invalid_key"}:  # only Python data can have such keys
        message = f"a key must be a text, found {found(given)}"
    elif kind in _EXPECTED:
        message = f"expected {_EXPECTED[kind]}, found {found(given)}"
    else:
        message = f"{details['msg']}, found {found(given)}"
    return [Finding(message=message, path=path, on_key=on_key, hint=hint)]


def _walk(loc: tuple[int | str, ...], data: Any) -> tuple[KeyPath, bool, object]:
    """The path in the data behind pydantic's, whether it means the key, and the value there."""
    path: list[str | int] = []
    tagged = -1
    for part in loc:
        if part in TAGS and _is_union(path) and tagged < len(path):  # else it is somebody's key
            tagged = len(path)
            continue
        in_mapping = isinstance(data, Mapping) and part in data
        if not in_mapping and not (isinstance(data, list | tuple) and isinstance(part, int)):
            break
        data = data[part]
        path.append(part)
    return tuple(path), loc[-1:] == (_KEY,), data


def _is_union(path: list[str | int]) -> bool:
    """Whether the schema has a union at this path, whose branch pydantic adds to its own."""
    inputs_or_value = len(path) == 4 and path[2] in {"adapters", "with"}
    return path[:1] == ["steps"] and (inputs_or_value or path[2:] == ["adapters"])


def _known_keys(path: KeyPath) -> list[str]:
    model: type[BaseModel] = MergeStep if path else Recipe
    return [field.alias or name for name, field in model.model_fields.items()]


def _unknown_key(path: KeyPath) -> Finding:
    *_, key = path
    return Finding(
        message=f"unknown key {code(key)}",
        path=path,
        on_key=True,
        hint=did_you_mean(key, _known_keys(path[:-1]), what="known keys"),
    )


def _missing(path: KeyPath, key: str, mapping: object) -> list[Finding]:
    if isinstance(mapping, Mapping) and misspelt(key, mapping):
        return []
    where = f"the step {code(path[-1])}" if path else "the recipe"
    hints = {
        "version": f"add `version: {VERSION}`",
        "merge": "add `merge: METHOD`; `xlmerge methods` lists them",
        "steps": "add at least one step",
    }
    return [
        Finding(message=f"{where} lacks {code(key)}", path=path, on_key=True, hint=hints.get(key))
    ]


def _choice(path: KeyPath, given: object) -> tuple[str, str | None]:
    choices = _literal_values(MergeStep.model_fields[str(path[-1])].annotation)
    message = f"expected one of {listing(choices)}, found {found(given)}"
    close = nearest(given, choices) if isinstance(given, str) else []
    return message, f"did you mean {code(close[0])}?" if close else None


def _literal_values(annotation: Any) -> list[str]:
    """The texts of a ``Literal[...] | None``."""
    return [text for part in annotation.__args__ for text in getattr(part, "__args__", ())]
