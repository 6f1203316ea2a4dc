"""Whether a text names something on this disk, or on the hub."""

from __future__ import annotations

import re
from pathlib import Path

from xlmerge.checkpoint.folder_hints import similar_name
from xlmerge.errors import CheckpointError

__all__ = ["find_local"]

_WORD = r"[A-Za-z0-9][\w.-]*"
_HUB_ID = re.compile(rf"{_WORD}(?:/{_WORD})?(?:@[\w./-]+)?", re.ASCII)
_FILE = re.compile(
    r"\.(?:csv|tsv|jsonl?|parquet|txt|conll\w*|arrow|gz|bz2|xz|zst|zip|safetensors|bin)$", re.ASCII
)


def find_local(reference: str, start: Path, what: str) -> Path | None:
    """Follow a reference on this disk; what exists there is not looked for on the hub.

    Args:
        reference: A path, relative to ``start`` or not, or a hub id.
        start: What relative paths start from.
        what: What it should be, for messages.

    Returns:
        The path; None if nothing is there and the reference may be a hub id.

    Raises:
        CheckpointError: Nothing is there, and it can only be a path: it starts with a dot or a
            slash, has three parts, ends like a file of data, or its first part is a folder here.
    """
    try:
        path = (start / Path(reference).expanduser()).absolute()
        exists = path.exists()
    except (OSError, RuntimeError, ValueError) as error:  # too long, no such user, a null byte
        raise CheckpointError(f"{what} {reference!r}: no path: {error}") from error
    if exists:
        return path
    first, slash, _ = reference.partition("/")
    if (
        _HUB_ID.fullmatch(reference)
        and not _FILE.search(reference)
        and not (slash and (start / first).is_dir())
    ):
        return None
    similar = similar_name(path)
    raise CheckpointError(
        f"{what} {reference}: there is no such file or folder (looked for {path})",
        hint=f"did you mean {path.parent / similar}?"
        if similar
        else "relative paths start from the recipe's own folder",
    )
