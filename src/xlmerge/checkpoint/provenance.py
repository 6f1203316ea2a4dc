"""``xlmerge.json``: what an adapter was made from, and how."""

from __future__ import annotations

import json
import platform
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlmerge.checkpoint.folder import read_json
from xlmerge.checkpoint.hashing import HashMemory, sha256
from xlmerge.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PROVENANCE", "intact", "library_versions", "read_provenance", "write_provenance"]

PROVENANCE = "xlmerge.json"
FORMAT = 1


def write_provenance(folder: Path, record: Mapping[str, Any]) -> None:
    """Write the record of a finished folder, with the hashes of all files in it.

    There is no time in it: the same recipe gives the same bytes.
    """
    outputs = {
        file.name: {"sha256": sha256(file), "size": file.stat().st_size}
        for file in sorted(folder.iterdir())
        if file.name != PROVENANCE
    }
    document = {"format": FORMAT, **record, "outputs": outputs}
    with (folder / PROVENANCE).open("w", encoding="utf-8") as file:
        json.dump(document, file, indent=2, ensure_ascii=False)
        file.write("\n")


def read_provenance(folder: Path) -> dict[str, Any] | None:
    """The record of a folder; None if it has none that can be read."""
    if not (folder / PROVENANCE).is_file():
        return None
    try:
        return read_json(folder / PROVENANCE)
    except CheckpointError:
        return None


def intact(folder: Path, record: Mapping[str, Any], memory: HashMemory) -> bool:
    """Whether the folder holds exactly the files of its record, unchanged."""
    outputs = record.get("outputs")
    if not isinstance(outputs, dict):
        return False
    present = {entry.name for entry in folder.iterdir()} - {PROVENANCE}
    return present == set(outputs) and all(
        (folder / name).stat().st_size == known.get("size") and memory.hash(folder / name) == known.get("sha256")
        for name, known in outputs.items()
    )


def library_versions() -> dict[str, str]:
    """Versions of what took part; recorded, and not compared."""
    from xlmerge import __version__

    return {"xlmerge": __version__, "python": platform.python_version(), "numpy": metadata.version("numpy")}
