"""Whole processes measured: wall time, processor time, peak memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

__all__ = ["HERE", "Measurement", "Run", "launch", "summary", "tool"]

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Run:
    """One process: seconds of wall and processor time, and the largest resident set in MiB."""

    wall: float
    cpu: float
    peak: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """Medians over some runs, and how many."""

    wall: float
    cpu: float
    peak: float
    runs: int


def environment() -> dict[str, str]:
    """Offline, quiet, and without the settings of whoever runs this."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("XLMERGE_", "PYTHON", "OMP_", "OPENBLAS_", "MKL_"))
    }
    return {**kept, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONHASHSEED": "0"}


def launch(command: Sequence[str], folder: Path) -> Run:
    """Run a command in a fresh process, in a folder.

    Raises:
        RuntimeError: It failed; with the end of what it printed.
    """
    log = folder / "log.txt"
    timer = [sys.executable, "-I", "-S", str(HERE / "timed.py"), str(log), *command]
    done = subprocess.run(
        timer, cwd=folder, env=environment(), capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    if found.pop("code"):
        raise RuntimeError(f"{' '.join(command)}\n{log.read_text(errors='replace')[-3000:]}")
    return Run(**found)


def summary(runs: Sequence[Run]) -> Measurement:
    """The medians."""
    return Measurement(
        median(run.wall for run in runs),
        median(run.cpu for run in runs),
        median(run.peak for run in runs),
        len(runs),
    )


def tool(script: str, *arguments: object) -> str:
    """What one of the scripts here prints; in a process of its own, so that this one stays small."""
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{script}\n{done.stderr[-3000:]}")
    return done.stdout
