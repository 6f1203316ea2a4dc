"""Folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import secrets
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from xlmerge.errors import OutputError, XLMergeError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["staged_folder"]

_STAGE = re.compile(r"^\.(?P<target>.+)\.xlmerge-(?P<pid>\d+)-[0-9a-f]{8}$")
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextlib.contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """A new folder beside ``target`` that takes its place when the block ends without an error.

    An error, a kill or a full disk leaves the target as it was. What a killed process left behind is removed by the
    next one that writes the same target.

    Args:
        target: Where the folder shall be; what is there now is replaced.

    Yields:
        The folder to write into.

    Raises:
        OutputError: It cannot be written.
    """
    target = Path(os.path.abspath(target))  # noqa: PTH100 - a link stays a link
    with _as_output_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target)
        stage = target.parent / f".{target.name}.xlmerge-{os.getpid()}-{secrets.token_hex(4)}"
        stage.mkdir()
    try:
        with _as_output_errors(target):
            yield stage
            _sync(stage)
            _take_place(stage, target)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


@contextlib.contextmanager
def _as_output_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except XLMergeError:
        raise
    except OSError as error:
        raise OutputError(
            f"{target}: cannot be written: {error.strerror or error}; nothing was changed there",
            hint=_next_step(error),
        ) from error


def _next_step(error: OSError) -> str | None:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "free some space, or write to another disk with -o"
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return "write somewhere else with -o, or change the permissions"
    return None


def _remove_leftovers(target: Path) -> None:
    """Remove what processes that no longer run left beside the target."""
    for entry in target.parent.iterdir():
        match = _STAGE.match(entry.name)
        if match and match["target"] == target.name and not _runs(int(match["pid"])):
            shutil.rmtree(entry, ignore_errors=True)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _sync(folder: Path) -> None:
    """Make the content durable before it gets its name."""
    for entry in [*folder.rglob("*"), folder]:
        if entry.is_dir() and os.name == "nt":
            continue
        handle = os.open(entry, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _take_place(stage: Path, target: Path) -> None:
    """Give the stage the target's name; swap the two in one step where the system can."""
    if not target.exists():
        stage.rename(target)
    elif not _exchange(stage, target):
        old = stage.with_name(stage.name[:-8] + secrets.token_hex(4))
        target.rename(old)
        try:
            stage.rename(target)
        except BaseException:
            old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    _sync_directory(target.parent)


def _exchange(stage: Path, target: Path) -> bool:
    """Swap two folders atomically (Linux)."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    done: int = rename(_AT_FDCWD, os.fsencode(stage), _AT_FDCWD, os.fsencode(target), _RENAME_EXCHANGE)
    return done == 0


def _sync_directory(folder: Path) -> None:
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
