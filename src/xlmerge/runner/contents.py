"""Content hashes of what goes into trainings and evaluations: data, base model, heads, adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.errors import CheckpointError, HubError
from xlmerge.plan.references import find_local
from xlmerge.plan.split_files import data_files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from xlmerge.checkpoint.hashing import HashMemory
    from xlmerge.plan import DataRequest, HeadRequest
    from xlmerge.plan.base_model import LocatedBase
    from xlmerge.runner.job import Work

__all__ = ["base_facts", "data_facts", "hashes_of", "head_facts", "pinned_base"]

# Of a model's folder: what decides its numbers and its tokens. Not the model card.
_MODEL_FILES = (".json", ".txt", ".model", ".safetensors", ".bin", ".spm", ".bpe", ".vocab", ".py")


def data_facts(request: DataRequest, memory: HashMemory) -> dict[str, Any]:
    """What a data set is: the hashes of its files, or what the hub calls it.

    Raises:
        DataError: It has gone since it was checked.
    """
    splits = data_files(request)
    if not splits:
        return {"hub": request.path, "revision": request.revision}
    return {"files": _hashes((file for files in splits.values() for file in files), memory)}


def head_facts(request: HeadRequest, memory: HashMemory) -> dict[str, Any]:
    """What a head that lies apart is: the hashes of its files."""
    path = find_local(request.path, request.start, f"head {request.name}:")
    if path is None:
        raise CheckpointError(f"head {request.name}: {request.path} has gone")
    files = [path] if path.is_file() else [file for file in path.iterdir() if file.is_file()]
    return {"files": _hashes(sorted(files), memory)}


def base_facts(base: LocatedBase, revision: str | None, memory: HashMemory) -> dict[str, Any]:
    """What the base model is: the hashes of its files, or name and commit on the hub."""
    if base.path is None:
        return {"hub": base.name, "revision": revision}
    files = [file for file in base.path.iterdir() if file.suffix in _MODEL_FILES and file.is_file()]
    return {"files": _hashes(sorted(files), memory)}


def pinned_base(base: LocatedBase, work: Work) -> str | None:
    """Commit of the base model on the hub, the same in later runs until ``--update``.

    Args:
        base: The base model.
        work: Remembers the commit, and knows that of an earlier run.

    Returns:
        The commit; None for a folder.

    Raises:
        HubError: The hub cannot be reached and the model is not in its cache.
    """
    if base.path is not None:
        return None
    reference = base.name if base.revision is None else f"{base.name}@{base.revision}"
    from huggingface_hub import snapshot_download

    try:
        snapshot = snapshot_download(
            base.name,
            revision=work.commits.get(reference) or base.revision,
            allow_patterns=["config.json"],
        )
    except Exception as error:  # whatever lies beneath the hub's client, which changes with it
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise HubError(
            f"base model {reference}: no folder, and the hub cannot be reached or has not got it: "
            f"{reason}",
            hint=f"check the name; with a network, `hf download {base.name}` keeps it for later",
        ) from error
    commit = snapshot.replace("\\", "/").rstrip("/").rpartition("/")[2]
    work.pins[reference] = commit
    return commit


def hashes_of(facts: Any) -> Any:
    """Facts as fingerprints compare them: of files the content alone."""
    if isinstance(facts, dict) and isinstance(files := facts.get("files"), dict):
        return {name: file["sha256"] for name, file in files.items()}
    return facts


def _hashes(files: Iterable[Path], memory: HashMemory) -> dict[str, Any]:
    """Hash and size by name; files of one name in several folders keep what tells them apart."""
    files = list(files)
    top = files[0].parent if files else None
    for file in files[1:]:
        while top is not None and top not in file.parents:
            top = top.parent
    return {
        (file.name if top is None else file.relative_to(top).as_posix()): {
            "sha256": memory.hash(file),
            "size": file.stat().st_size,
        }
        for file in files
    }
