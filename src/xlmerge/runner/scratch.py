"""Folders for what is kept of a step that is not finished: checkpoints, scores of cells.

They survive a kill, and belong to one fingerprint: what a step of other inputs left behind is
removed when the step runs.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from xlmerge.checkpoint.leftovers import remove
from xlmerge.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path

    from xlmerge.runner.job import Job

__all__ = ["drop_scratch", "open_scratch", "scratch_folder"]

SCRATCH = ".scratch"


def scratch_folder(job: Job, step: str, fingerprint: str) -> Path:
    """Where a step keeps what is unfinished: ``OUT/.scratch/STEP/FINGERPRINT``."""
    top = job.folders[step].parent if job.manifest is None else job.manifest.parent
    return top / SCRATCH / step.replace("/", "__") / fingerprint[:16]


def open_scratch(folder: Path, *, anew: bool) -> None:
    """Make the folder, and remove those of other fingerprints.

    Args:
        folder: As :func:`scratch_folder` gives it.
        anew: Whether to remove what is in it, too.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        if folder.parent.is_dir():
            for other in folder.parent.iterdir():
                if anew or other != folder:
                    remove(other)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be made: {error.strerror or error}",
            hint="write somewhere else with -o, or change the permissions",
        ) from error


def drop_scratch(folder: Path) -> None:
    """Remove the folder of a finished step, and those above it that are empty then."""
    remove(folder)
    for above in (folder.parent, folder.parent.parent):
        with contextlib.suppress(OSError):
            above.rmdir()
