"""What a run writes down for the next: hashes of large files, commits of hub repositories.

All of it can be found out again, so a file that cannot be read is passed over.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlmerge import __version__
from xlmerge.checkpoint.json_file import read_json
from xlmerge.checkpoint.staging import replace_text
from xlmerge.errors import CheckpointError

if TYPE_CHECKING:
    from xlmerge.runner.job import Job, Work

__all__ = ["MANIFEST", "Manifest", "read_manifest", "write_manifest"]

MANIFEST = "xlmerge-run.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What was remembered.

    Attributes:
        commits: Hub reference to commit.
        hashes: Path to size, time and hash.
        other_recipe: Another recipe whose outputs these are, if it is still there.
    """

    commits: dict[str, str] = field(default_factory=dict)
    hashes: dict[str, Any] = field(default_factory=dict)
    other_recipe: Path | None = None


def read_manifest(job: Job) -> Manifest:
    """What the last run of a job wrote down."""
    if job.manifest is None or not job.manifest.is_file():
        return Manifest()
    try:
        content = read_json(job.manifest)
    except CheckpointError:
        return Manifest()
    commits, hashes = content.get("commits"), content.get("hashes")
    return Manifest(
        commits={key: value for key, value in commits.items() if isinstance(value, str)}
        if isinstance(commits, dict)
        else {},
        hashes=hashes if isinstance(hashes, dict) else {},
        other_recipe=_other(job, content.get("recipe")),
    )


def _other(job: Job, recorded: object) -> Path | None:
    """The recipe that was written down, if that is another file than this job's."""
    if job.manifest is None or job.recipe is None or not isinstance(recorded, str):
        return None
    path = job.manifest.parent / recorded
    try:
        return None if not path.is_file() or path.samefile(job.recipe) else path.resolve()
    except (OSError, ValueError):
        return None


def write_manifest(work: Work) -> None:
    """Write down what this run knows, unless it stands there already.

    Raises:
        OutputError: It cannot be written.
    """
    path, recipe = work.job.manifest, work.job.recipe
    if path is None:
        return
    content: dict[str, Any] = {
        "recipe": None if recipe is None else _relative(recipe, path.parent),
        "xlmerge": __version__,
        "steps": {plan.name: plan.name for plan in work.plans},
        "commits": work.pins,
        "hashes": work.memory.current,
    }
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    try:
        same = path.read_text(encoding="utf-8") == text
    except (OSError, ValueError):
        same = False
    if not same:
        replace_text(path, text)


def _relative(recipe: Path, folder: Path) -> str:
    """Where the recipe lies, seen from its outputs: the two often move together."""
    try:
        return Path(os.path.relpath(recipe.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive
        return str(recipe.resolve())
