"""Unfinished folders and files, told apart from those that a killed process left behind.

Their names say whose they are going to be. As long as a process works on one it holds a lock on
it, which the system takes away with the process, however that ends; process ids alone would lie
where they are used again, or where containers share a disk.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

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
            path = _beside(target)
            path.mkdir()
            if (stage := cls._held(path)) is not None:
                return stage

    @classmethod
    def file(cls, target: Path) -> Self:
        """A new, empty file beside ``target``."""
        while True:
            path = _beside(target)
            path.touch(exist_ok=False)
            if (stage := cls._held(path)) is not None:
                return stage

    @classmethod
    def hold(cls, path: Path) -> Self:
        """Something that is there, held as far as the file system can."""
        return cls(path, _lock(path))

    @classmethod
    def _held(cls, path: Path) -> Self | None:
        """Hold what was just made; None if another process took it for a leftover before."""
        handle = _lock(path)
        try:
            if handle is None or os.path.samestat(path.stat(), os.fstat(handle)):
                return cls(path, handle)
        except FileNotFoundError:
            pass
        if handle is not None:
            os.close(handle)
        return None

    def release(self) -> None:
        """Let go of it."""
        if self._handle is not None:
            os.close(self._handle)


def remove_leftovers(target: Path) -> None:
    """Remove what processes that no longer run left beside ``target``."""
    for entry in target.parent.iterdir():
        match = _NAME.fullmatch(entry.name)
        if match is None or match["target"] != target.name or _in_use(entry, int(match["pid"])):
            continue
        remove(entry)


def remove(path: Path) -> None:
    """Remove a folder or file as far as that can be done; what stays is a leftover again."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _beside(target: Path) -> Path:
    return target.parent / f".{target.name}.xlmerge-{os.getpid()}-{secrets.token_hex(4)}"


def _lock(path: Path) -> int | None:
    """An open handle with a lock on it; None where there is no locking, or no such path."""
    if fcntl is None:
        return None
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _in_use(path: Path, pid: int) -> bool:
    """Whether a process works on it."""
    if fcntl is None:
        return _runs(pid)
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return path.exists() and _runs(pid)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return _runs(pid)
    finally:
        os.close(handle)
    return False


def _runs(pid: int) -> bool:
    """Whether a process of that id runs."""
    if os.name == "nt":
        return True  # asking would end it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
