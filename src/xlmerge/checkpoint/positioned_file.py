"""A read-only file that is read at given offsets, from any thread, without a shared position."""

from __future__ import annotations

import os
import stat
import threading
from typing import TYPE_CHECKING

from xlmerge.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["DAMAGED", "PositionedFile"]

DAMAGED = "the file is damaged or incomplete: copy or download it again"

# Windows has no positioned read; a lock around seek and read does the same there.
_HAS_PREADV = hasattr(os, "preadv")


class PositionedFile:
    """An open regular file.

    Args:
        path: The file.

    Attributes:
        path: The file, for messages.
        size: Its length in bytes when it was opened.

    Raises:
        CheckpointError: It is missing, a folder, not a regular file, or may not be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            # Asked before opening, since opening a named pipe waits for its other end.
            if not stat.S_ISREG(path.stat().st_mode):
                msg = f"{path}: expected a file, found a folder or a device"
                raise CheckpointError(msg, hint="give the path of the tensor file itself")
            self._file = path.open("rb", buffering=0)
            self.size = os.fstat(self._file.fileno()).st_size
        except FileNotFoundError:
            hint = "check the path; a hub download may be incomplete"
            raise CheckpointError(f"{path}: no such file", hint=hint) from None
        except OSError as error:
            msg = f"{path}: cannot be opened: {error.strerror or error}"
            raise CheckpointError(msg, hint="check the path and its permissions") from error

    def read(self, offset: int, count: int, what: str) -> bytes:
        """Read ``count`` bytes at ``offset``; raises as ``read_into``."""
        self._check_end(offset, count, what, self.size)  # before room is made for them
        buffer = bytearray(count)
        self.read_into(memoryview(buffer), offset, what)
        return bytes(buffer)

    def read_into(self, buffer: memoryview, offset: int, what: str) -> None:
        """Fill a buffer of bytes from ``offset`` on.

        Args:
            buffer: A writable, contiguous view of single bytes.
            offset: Where in the file, in bytes.
            what: What is being read, for the message.

        Raises:
            CheckpointError: The file ends too early, or the operating system cannot read it.
        """
        self._check_end(offset, len(buffer), what, self.size)
        while buffer:
            try:
                count = self._read_some(buffer, offset)
            except OSError as error:
                msg = f"{self.path}: cannot read {what}: {error.strerror or error}"
                raise CheckpointError(msg, hint=DAMAGED) from error
            if not count:  # cut off since it was opened
                self._check_end(offset, len(buffer), what, offset)
            buffer = buffer[count:]
            offset += count

    def _check_end(self, offset: int, count: int, what: str, size: int) -> None:
        end = offset + count
        # An empty tensor may claim to lie anywhere.
        if count and (offset < 0 or end > size):
            msg = f"{self.path}: {what} needs bytes {offset} to {end}, but the file has {size}"
            raise CheckpointError(msg, hint=DAMAGED)

    def _read_some(self, buffer: memoryview, offset: int) -> int:
        if _HAS_PREADV:
            return os.preadv(self._file.fileno(), [buffer], offset)
        with self._lock:
            self._file.seek(offset)
            return self._file.readinto(buffer) or 0

    def close(self) -> None:
        """Release the file; reading it afterwards raises ValueError."""
        self._file.close()
