"""Locks on folders and files, which the system takes away with the process that holds them.

They are advisory, and where a file system or a system has none, there are none: then runs beside
each other are kept apart by process ids alone.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["is_held", "take", "waited_for"]


def take(path: Path) -> int | None:
    """Lock something, if that can be done at once.

    Returns:
        The handle that holds the lock until it is closed; None if somebody else has it, or there
        is no locking, or no such path.
    """
    handle = _open(path)
    if handle is not None and not _lock(handle, wait=False):
        os.close(handle)
        return None
    return handle


def is_held(path: Path) -> bool | None:
    """Whether a process holds a lock on something; None where that cannot be known."""
    handle = _open(path)
    if handle is None or fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return None
    finally:
        os.close(handle)
    return False


@contextmanager
def waited_for(make: Callable[[], Path], busy: Callable[[], None]) -> Iterator[None]:
    """Hold the lock on a folder, after whoever holds it now; as far as there are locks.

    Args:
        make: Makes sure that the folder is there, and gives its path. Called again if another
            process removed it.
        busy: Called once if there is somebody to wait for.
    """
    told = False
    while True:
        path = make()
        handle = _open(path)
        if handle is None:
            break
        try:
            if not _lock(handle, wait=False) and not told:
                told = True
                busy()
            settled = not _lock(handle, wait=True) or _leads_to(path, handle)
        except BaseException:  # the user has no patience
            os.close(handle)
            raise
        if settled:
            break
        os.close(handle)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _open(path: Path) -> int | None:
    if fcntl is None:
        return None
    try:
        return os.open(path, os.O_RDONLY)
    except OSError:
        return None


def _lock(handle: int, *, wait: bool) -> bool:
    """Whether the lock is there now."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # somebody else has it, or the file system has no locks
        return False
    return True


def _leads_to(path: Path, handle: int) -> bool:
    """Whether the path still is what the handle was opened for."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except OSError:
        return False
