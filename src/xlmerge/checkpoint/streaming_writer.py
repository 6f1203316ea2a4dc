"""What the writers of all containers share: names used up one by one, a whole file or none."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import BinaryIO, Self

    from xlmerge.checkpoint.tensor_file import Array

__all__ = ["StreamingWriter"]


class StreamingWriter(ABC):
    """A new file that either becomes complete or disappears; see ``TensorWriter``.

    Args:
        path: Where; must not exist.
        names: Every name that will be written.

    Raises:
        ValueError: A name is announced twice.
        FileExistsError: There is a file already.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path = path
        self._announced = frozenset(names)
        if len(self._announced) != len(names):
            msg = "a name is announced twice"
            raise ValueError(msg)
        self._begun: set[str] = set()
        self._done: set[str] = set()
        self._file: BinaryIO = path.open("xb")

    @abstractmethod
    def _append(self, name: str, array: Array) -> None:
        """Add the bytes of a tensor to the file."""

    @abstractmethod
    def _finish(self) -> None:
        """Write what makes the file complete."""

    def _abandon(self) -> None:
        """Let go of the file, which is going to be removed."""
        self._file.close()

    def _claim(self, name: str) -> None:
        if name not in self._announced:
            msg = f"tensor {name!r} was not announced"
            raise ValueError(msg)
        if name in self._begun:
            msg = f"tensor {name!r} is there already"
            raise ValueError(msg)
        self._begun.add(name)

    def write(self, name: str, array: Array) -> None:
        """Append a tensor; see ``TensorWriter.write``."""
        self._claim(name)
        self._append(name, array)
        self._done.add(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        complete = False
        try:
            if exc[0] is None:
                self._check_complete()
                self._finish()
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                complete = True
        finally:
            if not complete:
                # Closing writes out what is left, and the disk may be full.
                with suppress(OSError, ValueError):
                    self._abandon()
                self.path.unlink(missing_ok=True)

    def _check_complete(self) -> None:
        if missing := sorted(self._announced - self._done):
            shown = ", ".join(repr(name) for name in missing[:3])
            msg = f"{len(missing)} announced tensors were not written: {shown}"
            raise ValueError(msg)
