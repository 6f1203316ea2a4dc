"""Content hashes of files, and a memory of them."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

from xlmerge.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["HashMemory", "sha256"]

_CHUNK = 1 << 20
_SMALL = 1 << 16  # cheaper to hash again than to trust a time stamp
_FRESH = 2_000_000_000  # ns: a file changed so lately could change again within its time stamp


def sha256(path: Path) -> str:
    """Hash a file, a chunk at a time."""
    digest = hashlib.sha256()
    buffer = bytearray(_CHUNK)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(view[:count])
    return digest.hexdigest()


class HashMemory:
    """Hashes of large files, computed again only when size or time of change differ.

    Args:
        known: What an earlier run remembered: path to ``[size, time in ns, hash]``; anything else
            in it is passed over.
    """

    def __init__(self, known: Mapping[str, Any] | None = None) -> None:
        self._known = dict(known or {})
        self.current: dict[str, list[int | str]] = {}

    def hash(self, path: Path) -> str:
        """Hash of a file's content.

        Raises:
            CheckpointError: It cannot be read.
        """
        try:
            path = path.resolve()
            status = path.stat()
            stamp = [status.st_size, status.st_mtime_ns]
            if status.st_size <= _SMALL:
                return sha256(path)
            digest = self._remembered(str(path), stamp) or sha256(path)
        except OSError as error:
            raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
        if time.time_ns() - status.st_mtime_ns > _FRESH:
            self.current[str(path)] = [*stamp, digest]
        return digest

    def _remembered(self, path: str, stamp: list[int]) -> str | None:
        for memory in (self.current, self._known):
            match memory.get(path):
                case [int() as size, int() as changed, str() as digest] if [size, changed] == stamp:
                    return digest
        return None
