"""Unfinished folders and files, told apart from those that a killed process left behind.

Their names say whose they are going to be. As long as a process works on one it holds a lock on
it; process ids alone would lie where they are used again, or where containers share a disk.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from xlmerge.checkpoint import locks

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Stage", "remove", "remove_leftovers"]

_NAME = re.compile(r"\.(?P<target>.+)\.xlmerge-(?P<pid>\d+)-[0-9a-f]{8}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Stage:
    """Something unfinished that this process works on.

    Attributes:
        path: Where it is.
    """

    path: Path
    _handle: int | None

    @classmethod
    def folder(cls, target: Path) -> Self:
        """A new folder beside ``target``."""
        while True:
            path = beside(target)
            path.mkdir()
            if (stage := cls._held(path)) is not None:
                return stage

    @classmethod
    def file(cls, target: Path) -> Self:
        """A new, empty file beside ``target``."""
        while True:
            path = beside(target)
            path.touch(exist_ok=False)
            if (stage := cls._held(path)) is not None:
                return stage

    @classmethod
    def hold(cls, path: Path) -> Self:
        """Something that is there, held as far as the file system can."""
        return cls(path, locks.take(path))

    @classmethod
    def _held(cls, path: Path) -> Self | None:
        """Hold what was just made; None if another process took it for a leftover before."""
        stage = cls.hold(path)
        if path.exists():
            return stage
        stage.release()
        return None

    def release(self) -> None:
        """Let go of it."""
        if self._handle is not None:
            os.close(self._handle)


def beside(target: Path) -> Path:
    """A new name for something that is going to be ``target``."""
    return target.parent / f".{target.name}.xlmerge-{os.getpid()}-{secrets.token_hex(4)}"


def remove_leftovers(target: Path) -> None:
    """Remove what processes that no longer run left beside ``target``."""
    for entry in target.parent.iterdir():
        match = _NAME.fullmatch(entry.name)
        if match is not None and match["target"] == target.name:
            held = locks.is_held(entry)
            if held is False or (held is None and not _runs(int(match["pid"]))):
                remove(entry)


def remove(path: Path) -> None:
    """Remove a folder or file as far as that can be done; what stays is a leftover again."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _runs(pid: int) -> bool:
    """Whether a process of that id runs."""
    if os.name == "nt":
        return True  # asking would end it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
