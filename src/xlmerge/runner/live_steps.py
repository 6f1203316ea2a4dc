"""What trainings and evaluations have in common when they are carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.checkpoint.provenance import differences, read_provenance

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xlmerge.checkpoint.hashing import HashMemory
    from xlmerge.plan.orders import Progress
    from xlmerge.runner.job import Listener

__all__ = ["progress_of", "still_true"]


def still_true(folder: Path, fingerprint: str, memory: HashMemory) -> Mapping[str, Any] | None:
    """The report of an output that is there and of this fingerprint; None if there is none such."""
    record = read_provenance(folder) if folder.is_dir() else None
    if record is None or record.get("fingerprint") != fingerprint:
        return None
    report = record.get("report")
    if not isinstance(report, dict) or differences(folder, record, memory):
        return None
    return report


def progress_of(name: str, listener: Listener) -> Progress:
    """What a running step calls to tell how far it is."""

    def progress(done: int, total: int, note: str) -> None:
        if note:
            listener.note(name, note)
        listener.progress(name, done, total)

    return progress
