"""Content hashes of files, and a memory of them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HashMemory", "sha256"]

_CHUNK = 1 << 20
_SMALL = 1 << 16  # cheaper to hash again than to trust a time stamp


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
        known: What an earlier run remembered: path to ``[size, time in ns, hash]``.
    """

    def __init__(self, known: Mapping[str, list[object]] | None = None) -> None:
        self._known = dict(known or {})
        self.current: dict[str, list[object]] = {}

    def hash(self, path: Path) -> str:
        """Hash of a file's content."""
        path = path.resolve()
        status = path.stat()
        stamp = [status.st_size, status.st_mtime_ns]
        remembered = self.current.get(str(path)) or self._known.get(str(path))
        if status.st_size > _SMALL and remembered and remembered[:2] == stamp and isinstance(remembered[2], str):
            digest = remembered[2]
        else:
            digest = sha256(path)
        if status.st_size > _SMALL:
            self.current[str(path)] = [*stamp, digest]
        return digest
