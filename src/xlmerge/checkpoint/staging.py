"""Folders and files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from xlmerge.checkpoint.leftovers import Stage, remove, remove_leftovers
from xlmerge.errors import OutputError, XLMergeError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["replace_text", "staged_folder"]

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextlib.contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """A new folder beside ``target`` that takes its place when the block ends without an error.

    An error, a kill or a full disk leaves the target as it was. What a killed process left behind
    is removed by the next one that writes the same target.

    Args:
        target: Where the folder shall be; what is there now is replaced. A link stays a link: the
            folder it leads to is replaced.

    Yields:
        The folder to write into.

    Raises:
        OutputError: It cannot be written.
    """
    shown = target
    # Not `resolve()`, which would follow links of folders above, and messages would name others.
    target = target.resolve() if target.is_symlink() else Path(os.path.abspath(target))  # noqa: PTH100
    made: list[Path] = []
    try:
        with _as_output_errors(shown):
            _make_folders(target.parent, made)
            remove_leftovers(target)
            stage = Stage.folder(target)
        try:
            with _as_output_errors(shown):
                yield stage.path
                _sync(stage.path)
                _take_place(stage.path, target)
        finally:
            remove(stage.path)
            stage.release()
    except BaseException:
        for folder in reversed(made):
            with contextlib.suppress(OSError):  # somebody else has put something there
                folder.rmdir()
        raise


def replace_text(target: Path, text: str) -> None:
    """Write a small text file that is there whole or as it was before.

    Raises:
        OutputError: It cannot be written.
    """
    with _as_output_errors(target):
        remove_leftovers(target)
        stage = Stage.file(target)
        try:
            stage.path.write_bytes(text.encode("utf-8", errors="backslashreplace"))
            _sync(stage.path)
            stage.path.replace(target)
        finally:
            stage.path.unlink(missing_ok=True)
            stage.release()


@contextlib.contextmanager
def _as_output_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except XLMergeError:
        raise
    except BrokenPipeError:  # whoever was told of the progress has gone; no matter of the disk
        raise
    except OSError as error:
        raise OutputError(
            f"{target}: cannot be written: {error.strerror or error}; nothing was changed there",
            hint=_next_step(error),
        ) from error


def _next_step(error: OSError) -> str | None:
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return "free some space, or write to another disk with -o"
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return "write somewhere else with -o, or change the permissions"
    if error.errno in {errno.ENOTDIR, errno.EEXIST}:
        return "a file is in the way: write somewhere else with -o"
    return None


def _make_folders(folder: Path, made: list[Path]) -> None:
    """Make a folder and those above it, noting what was made."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        try:
            each.mkdir()
        except FileExistsError:  # a run beside this one was faster
            if not each.is_dir():
                raise
        else:
            made.append(each)


def _sync(path: Path) -> None:
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


def _take_place(stage: Path, target: Path) -> None:
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
    old = stage.with_name(stage.name[:-8] + secrets.token_hex(4))
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
