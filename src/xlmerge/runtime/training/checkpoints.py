"""States of a training on disk: whole or not at all, and never the base model.

    scratch/checkpoint-000200/   trained.pt, optimizer.pt, scheduler.pt, rng_state*.pth,
                                 trainer_state.json, progress.json; complete.json, written last
    scratch/best-000150/         trained.pt, progress.json; complete.json

A folder is written under another name and renamed when it is complete. ``complete.json`` lists the
hashes of the others, so that a damaged folder is passed over for the one before.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import torch

from xlmerge.errors import TrainingError
from xlmerge.runtime.distributed import barrier, rank

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

__all__ = ["Checkpoints"]

_COMPLETE, _TRAINED, _PROGRESS = "complete.json", "trained.pt", "progress.json"
_KEPT = 2


class Checkpoints:
    """The checkpoints of one training.

    Args:
        folder: Where they lie; made if it is not there.
        settings: What training depends on. Checkpoints of other settings are no use and go.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self._folder = folder
        self._settings = json.loads(json.dumps(settings))

    def save(
        self,
        kind: str,
        step: int,
        tensors: Mapping[str, torch.Tensor],
        progress: Mapping[str, Any],
        more: Callable[[Path], None] | None = None,
    ) -> Path:
        """Write a state.

        Args:
            kind: ``checkpoint`` or ``best``.
            step: After which step.
            tensors: What is trained.
            progress: What else to remember, as JSON holds it.
            more: Writes further files into the folder; called in all processes.

        Raises:
            TrainingError: The disk is full, or the folder cannot be written.
        """
        final = self._folder / f"{kind}-{step:06d}"
        partial = final.with_name(f"{final.name}.partial")
        try:
            if rank() == 0:
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir(parents=True)
            barrier()
            if more is not None:
                more(partial)
            barrier()
            if rank() == 0:
                # Copies: a tensor that is a view would drag its whole storage along.
                torch.save({n: t.cpu().clone() for n, t in tensors.items()}, partial / _TRAINED)
                content = {"step": step, "settings": self._settings, "progress": dict(progress)}
                (partial / _PROGRESS).write_text(json.dumps(content), encoding="utf-8")
                hashes = {file.name: _hash(file) for file in sorted(partial.iterdir())}
                (partial / _COMPLETE).write_text(json.dumps(hashes), encoding="utf-8")
                for file in partial.iterdir():
                    _flush(file)
                shutil.rmtree(final, ignore_errors=True)
                partial.rename(final)
        except OSError as error:
            raise TrainingError(
                f"{final}: a checkpoint cannot be written: {error}",
                hint="free some space and run again: training goes on from the checkpoint before",
            ) from error
        barrier()
        return final

    def last(self) -> Path | None:
        """The newest checkpoint that is whole and of these settings."""
        return next((f for _, f in reversed(self._all("checkpoint")) if self._usable(f)), None)

    def best(self, step: int) -> Path | None:
        """The best state, taken at a step, if it is whole."""
        folder = self._folder / f"best-{step:06d}"
        return folder if self._usable(folder) else None

    def tensors(self, folder: Path) -> dict[str, torch.Tensor]:
        """The trained parameters in a checkpoint."""
        found: dict[str, torch.Tensor] = torch.load(
            folder / _TRAINED, map_location="cpu", weights_only=True
        )
        return found

    def progress(self, folder: Path) -> dict[str, Any]:
        """What was remembered beside them."""
        found: dict[str, Any] = _read(folder / _PROGRESS)["progress"]
        return found

    def trim(self, best: Collection[int]) -> None:
        """Delete all but the newest checkpoints, the best state, and those that they refer to.

        Args:
            best: Steps of the best state so far.
        """
        if rank() != 0:
            return
        checkpoints = self._all("checkpoint")
        kept = [folder for _, folder in checkpoints[-_KEPT:]]
        wanted = {*best}
        for folder in kept:
            if (folder / _PROGRESS).is_file():
                wanted.add(_read(folder / _PROGRESS).get("progress", {}).get("best_step"))
        for _, folder in checkpoints[:-_KEPT]:
            shutil.rmtree(folder, ignore_errors=True)
        for step, folder in self._all("best"):
            if step not in wanted:
                shutil.rmtree(folder, ignore_errors=True)

    def clear(self) -> None:
        """Delete all of them."""
        if rank() == 0:
            for kind in ("checkpoint", "best"):
                for folder in self._folder.glob(f"{kind}-*"):
                    shutil.rmtree(folder, ignore_errors=True)
        barrier()

    def _all(self, kind: str) -> list[tuple[int, Path]]:
        """Those of a kind by step; half-written ones have another name."""
        found = []
        for folder in self._folder.glob(f"{kind}-*"):
            number = folder.name.removeprefix(f"{kind}-")
            if number.isdigit():
                found.append((int(number), folder))
        return sorted(found)

    def _usable(self, folder: Path) -> bool:
        try:
            hashes = _read(folder / _COMPLETE)
            whole = bool(hashes) and all(_hash(folder / n) == h for n, h in hashes.items())
            return whole and _read(folder / _PROGRESS)["settings"] == self._settings
        except (OSError, ValueError, KeyError, AttributeError):
            return False


def _read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def _hash(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _flush(file: Path) -> None:
    """Bring a file to the disk itself, before the rename says that it is there."""
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
