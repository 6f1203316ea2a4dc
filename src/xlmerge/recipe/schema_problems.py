"""Pydantic's errors in the words of a recipe's author, each with its path in the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xlmerge.recipe.findings import Finding, ReferencesRefusedError
from xlmerge.recipe.reserved import STEP_KEYS, step_kind
from xlmerge.recipe.schema import Recipe
from xlmerge.recipe.schema_data import Dataset, Head
from xlmerge.recipe.schema_steps import STEP_KINDS
from xlmerge.recipe.schema_train import AdapterChoice
from xlmerge.recipe.schema_types import TAGS
from xlmerge.recipe.values import VERSION, ValueRefusedError
from xlmerge.recipe.wording import code, did_you_mean, found, listing, misspelt

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
    "data": "the name of a dataset, or a mapping from roles to datasets",
    "dataset": "a folder, a file or a hub id, or a mapping",
    "adapter": "the name of a configuration, or a mapping",
    "task": "the name of a task, or a mapping from it to its options",
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
        return _missing(path, str(details["loc"][-1]), value, data)
    if kind == "extra_forbidden":
        return [_unknown_key(path, data)]
    if kind == "step":
        return [_kindless(path, given)]
    if kind == "too_short" and given:  # pydantic counts the right items only
        return []
    hint: str | None = None
    if isinstance(cause, ValueRefusedError):
        message, hint = cause.message, cause.hint
    elif kind == "too_short":
        message = f"expected at least one entry, found {found(given)}"
    elif kind == "too_long":
        message = f"expected one entry, found {listing(given)}"
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


_UNIONS = (
    ("steps", "*"),
    ("steps", "*", "adapters"),
    ("steps", "*", "adapters", "*"),
    ("steps", "*", "with", "*"),
    ("steps", "*", "data"),
    ("steps", "*", "data", "*"),
    ("steps", "*", "task"),
    ("steps", "*", "task", "*", "*"),
    ("steps", "*", "evaluate"),
    ("steps", "*", "evaluate", "*", "*"),
    ("steps", "*", "adapter"),
    ("steps", "*", "adapter", "*"),
    ("datasets", "*"),
    ("heads", "*", "*"),
)
"""Where the schema has unions; ``*`` is any key."""


def _is_union(path: list[str | int]) -> bool:
    """Whether the schema has a union at this path, whose branch pydantic adds to its own."""
    return any(
        len(union) == len(path)
        and all(part in {"*", real} for part, real in zip(union, path, strict=True))
        for union in _UNIONS
    )


def _model(path: KeyPath, data: Any) -> type[BaseModel]:
    """The model of the mapping at a path."""
    if not path:
        return Recipe
    if path[0] == "steps" and path[2:] == ("adapter",):
        return AdapterChoice
    if path[0] == "steps":
        return STEP_KINDS[step_kind(data["steps"][path[1]]) or "merge"]
    return Dataset if path[0] == "datasets" else Head


def _unknown_key(path: KeyPath, data: Any) -> Finding:
    *before, key = path
    fields = _model(tuple(before), data).model_fields
    known = [field.alias or name for name, field in fields.items()]
    return Finding(
        message=f"unknown key {code(key)}",
        path=path,
        on_key=True,
        hint=did_you_mean(key, known, what="known keys"),
    )


def _kindless(path: KeyPath, step: object) -> Finding:
    """A step of which nothing tells what it does."""
    if not isinstance(step, Mapping):
        message = f"expected {_EXPECTED['model_type']}, found {found(step)}"
        return Finding(message=message, path=path)
    return Finding(
        message=f"the step {code(path[-1])} does not say what it does: expected one of "
        f"{listing(STEP_KEYS)}",
        path=path,
        on_key=True,
        hint="add `merge: METHOD`, `train: TRAINER` or `evaluate: TASK`",
    )


_NOUNS = {"steps": "step", "datasets": "dataset", "heads": "head"}


def _missing(path: KeyPath, key: str, mapping: object, data: object) -> list[Finding]:
    strict = _model(path, data).model_config.get("extra") == "forbid"
    if strict and isinstance(mapping, Mapping) and misspelt(key, mapping):
        return []  # the misspelt key is reported as unknown
    where = f"the {_NOUNS[str(path[0])]} {code(path[1])}" if path else "the recipe"
    if path[2:]:
        where = f"{code(path[-1])} of {where}"
    hints = {
        "version": f"add `version: {VERSION}`",
        "merge": "add `merge: METHOD`; `xlmerge methods` lists them",
        "train": "add `train: TRAINER`",
        "evaluate": "add `evaluate: TASK`",
        "data": "add `data: DATASET`, the name of one of the `datasets`",
        "path": "add `path:`, a folder, a file or a hub id",
        "task": "add `task: TASK`",
        "config": "add `config: NAME`, the configuration that the other keys are fields of",
        "steps": "add at least one step",
    }
    return [
        Finding(message=f"{where} lacks {code(key)}", path=path, on_key=True, hint=hints.get(key))
    ]
