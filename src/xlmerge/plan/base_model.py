"""Where the base model of trainings and evaluations lies, and what its configuration says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from xlmerge.checkpoint.json_file import read_json
from xlmerge.errors import CheckpointError, ModelError
from xlmerge.plan.references import find_local

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["LocatedBase", "locate_base"]

_CONFIG = "config.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedBase:
    """A base model that was found, or is taken to be on the hub.

    Attributes:
        name: As the user says it, without a revision.
        path: Its folder; None on the hub.
        revision: Commit, branch or tag that the user says, as ``owner/name@revision``.
        start: What relative folders start from.
        config: Its ``config.json``; empty on the hub.
    """

    name: str
    path: Path | None
    revision: str | None
    start: Path
    config: Mapping[str, Any] = field(default_factory=dict)


def locate_base(name: str, start: Path) -> LocatedBase:
    """Find a base model without loading it.

    Args:
        name: A folder, or a hub id with an optional ``@revision``.
        start: What relative folders start from.

    Raises:
        ModelError: It is a folder's path and there is no model. A hub id is not looked up.
    """
    try:
        path = find_local(name.strip(), start, "base model")
    except CheckpointError as error:
        raise ModelError(error.message, hint=error.hint) from error
    if path is None:
        plain, _, revision = name.partition("@")
        return LocatedBase(name=plain, path=None, revision=revision or None, start=start)
    if not path.is_dir():
        raise ModelError(f"the base model {path} is a file; expected a folder with {_CONFIG}")
    if not (path / _CONFIG).is_file():
        found = ", ".join(sorted(entry.name for entry in path.iterdir())[:5]) or "nothing"
        raise ModelError(
            f"no model in {path}: expected {_CONFIG}; found {found}",
            hint="give the folder that `save_pretrained` wrote, or a hub id",
        )
    try:
        config = read_json(path / _CONFIG)
    except CheckpointError as error:
        raise ModelError(f"the base model cannot be read: {error.message}") from error
    return LocatedBase(name=name, path=path, revision=None, start=start, config=config)
