"""Giving something finished its name."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import sys
from typing import TYPE_CHECKING

from xlmerge.checkpoint.leftovers import Stage, beside, remove

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["sync", "take_place"]

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def sync(path: Path) -> None:
    """Make the content durable before it gets its name."""
    entries = [*path.rglob("*"), path] if path.is_dir() else [path]
    for entry in entries:
        if entry.is_dir():
            _sync_directory(entry)
            continue
        handle = os.open(entry, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _sync_directory(folder: Path) -> None:
    """Make names durable, where the file system knows such a thing."""
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def take_place(stage: Path, target: Path) -> None:
    """Give the stage the target's name; swap the two in one step where the system can."""
    while True:
        if not os.path.lexists(target):
            try:
                stage.rename(target)
            except OSError as error:
                # Another run has put its result there since.
                if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                    raise
                continue
        elif not _exchange(stage, target):
            try:
                _move_aside(stage, target)
            except FileNotFoundError:
                if os.path.lexists(target):
                    raise
                continue  # another run has moved it aside
        break
    _sync_directory(target.parent)


def _move_aside(stage: Path, target: Path) -> None:
    """In two steps, where the system cannot swap: between them the target is not there."""
    old = beside(target)
    held = Stage.hold(target)
    try:
        target.rename(old)
        try:
            stage.rename(target)
        except BaseException:
            old.rename(target)
            raise
        remove(old)
    finally:
        held.release()


def _exchange(stage: Path, target: Path) -> bool:
    """Swap two folders atomically (Linux)."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    done: int = rename(
        _AT_FDCWD, os.fsencode(stage), _AT_FDCWD, os.fsencode(target), _RENAME_EXCHANGE
    )
    return done == 0
