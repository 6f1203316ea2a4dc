"""Folders and files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from xlmerge.checkpoint.leftovers import Stage, remove, remove_leftovers
from xlmerge.checkpoint.locks import waited_for
from xlmerge.checkpoint.placing import sync, take_place
from xlmerge.errors import OutputError, XLMergeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["held_folder", "replace_text", "staged_folder"]


@contextlib.contextmanager
def held_folder(folder: Path, busy: Callable[[], None]) -> Iterator[None]:
    """A folder that only one process at a time writes to; made if it is not there.

    Args:
        folder: The folder; removed if an error leaves it empty and it was not there before.
        busy: Called if another process has to be waited for.

    Raises:
        OutputError: It cannot be made.
    """
    with _made_folders() as made:

        def make() -> Path:
            with _as_output_errors(folder):
                _make_folders(folder, made)
            return folder

        # Taken away while the lock is held, or it would be taken away from the next one to hold it.
        with waited_for(make, busy), _taken_away_by_errors(made):
            yield


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
    with _made_folders() as made:
        with _as_output_errors(shown):
            _make_folders(target.parent, made)
            remove_leftovers(target)
            stage = Stage.folder(target)
        try:
            with _as_output_errors(shown):
                yield stage.path
                sync(stage.path)
                take_place(stage.path, target)
        finally:
            remove(stage.path)
            stage.release()


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
            sync(stage.path)
            stage.path.replace(target)
        finally:
            remove(stage.path)
            stage.release()


@contextlib.contextmanager
def _made_folders() -> Iterator[list[Path]]:
    """Folders made on the way, which an error takes away again if nothing else is in them."""
    made: list[Path] = []
    with _taken_away_by_errors(made):
        yield made


@contextlib.contextmanager
def _taken_away_by_errors(made: list[Path]) -> Iterator[None]:
    """Remove folders after an error, the last one made first, as far as they are empty."""
    try:
        yield
    except BaseException:
        for folder in reversed(made):
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


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
