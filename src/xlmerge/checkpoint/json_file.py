"""JSON objects in files: configurations and records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from xlmerge.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["read_json", "write_json"]


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        CheckpointError: It cannot be read, or is no object. Duplicate keys are refused, since which
            one a library would take is anyone's guess, and so are NaN and Infinity, which Python
            writes and JSON does not know.
    """

    def unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise CheckpointError(f"{path}: the key {key!r} stands there twice")
            found[key] = value
        return found

    def no_number(word: str) -> Any:
        raise CheckpointError(f"{path}: {word} is no number of JSON")

    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text, object_pairs_hook=unique, parse_constant=no_number)
    except CheckpointError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: expected a JSON object, found {type(content).__name__}")
    return content


def write_json(path: Path, document: Mapping[str, Any], *, sort_keys: bool = False) -> None:
    """Write a JSON object for people to read; what UTF-8 cannot hold is escaped."""
    text = json.dumps(document, indent=2, sort_keys=sort_keys, ensure_ascii=False) + "\n"
    path.write_bytes(text.encode("utf-8", errors="backslashreplace"))
