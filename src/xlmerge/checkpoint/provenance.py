"""``xlmerge.json``: what an adapter was made from, and how."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any

from xlmerge.checkpoint.hashing import sha256
from xlmerge.checkpoint.json_file import read_json, write_json
from xlmerge.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

    from xlmerge.checkpoint.hashing import HashMemory

__all__ = [
    "PROVENANCE",
    "Differences",
    "differences",
    "library_versions",
    "read_provenance",
    "write_provenance",
]

PROVENANCE = "xlmerge.json"
FORMAT = 1


def write_provenance(folder: Path, record: Mapping[str, Any]) -> None:
    """Write the record of a finished folder, with the hashes of all files in it.

    There is no time in it: the same recipe gives the same bytes.
    """
    outputs = {
        name: {"sha256": sha256(folder / name), "size": (folder / name).stat().st_size}
        for name in _entries(folder)
        if (folder / name).is_file()
    }
    document = {"format": FORMAT, **record, "outputs": outputs}
    write_json(folder / PROVENANCE, _json_numbers(document))


def _entries(folder: Path) -> list[str]:
    """Names of what lies in a folder and in those below it, but for the record itself.

    A folder counts only if nothing lies in it.
    """
    names = []
    for entry in sorted(folder.iterdir()):
        inner = _entries(entry) if entry.is_dir() and not entry.is_symlink() else []
        names += [f"{entry.name}/{name}" for name in inner] or [entry.name]
    return [name for name in names if name != PROVENANCE]


def _json_numbers(value: Any) -> Any:
    """The same with null for what is no number in JSON (an infinite condition number)."""
    if isinstance(value, Mapping):
        return {key: _json_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_numbers(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_provenance(folder: Path) -> dict[str, Any] | None:
    """The record of a folder; None if it has none that can be read."""
    if not (folder / PROVENANCE).is_file():
        return None
    try:
        return read_json(folder / PROVENANCE)
    except CheckpointError:
        return None


class Differences:
    """How a folder differs from its record.

    Attributes:
        missing: Files that are gone.
        changed: Files that are others.
        added: Files that were not written by xlmerge.
    """

    def __init__(self, missing: set[str], changed: set[str], added: set[str]) -> None:
        self.missing = sorted(missing)
        self.changed = sorted(changed)
        self.added = sorted(added)

    def __bool__(self) -> bool:
        return bool(self.missing or self.changed or self.added)

    def __str__(self) -> str:
        said = [
            f"{', '.join(names)} {'was' if len(names) == 1 else 'were'} {what}"
            for names, what in (
                (self.changed, "changed"),
                (self.added, "added"),
                (self.missing, "removed"),
            )
            if names
        ]
        return ", ".join(said)


def differences(folder: Path, record: Mapping[str, Any], memory: HashMemory) -> Differences:
    """Compare a folder with its record, by content."""
    recorded = record.get("outputs")
    outputs = recorded if isinstance(recorded, dict) else {}
    present = set(_entries(folder))
    return Differences(
        missing=set(outputs) - present,
        changed={
            name
            for name in set(outputs) & present
            if not _unchanged(folder / name, outputs[name], memory)
        },
        # A folder that is left of what was written is missing its files, and nothing new.
        added={
            name
            for name in present - set(outputs)
            if not any(known.startswith(f"{name}/") for known in outputs)
        },
    )


def _unchanged(file: Path, known: Any, memory: HashMemory) -> bool:
    """Whether a file is the one that was recorded."""
    if not isinstance(known, dict) or not file.is_file():
        return False
    try:
        return file.stat().st_size == known.get("size") and memory.hash(file) == known.get("sha256")
    except (OSError, CheckpointError):
        return False


def library_versions() -> dict[str, str]:
    """Versions of what took part; recorded, and not compared."""
    from xlmerge import __version__

    return {
        "xlmerge": __version__,
        "python": platform.python_version(),
        "numpy": metadata.version("numpy"),
    }
