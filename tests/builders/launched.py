"""Trainings in processes of their own: to be killed, or to share the work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from builders import tiny_training as tiny

LAUNCHERS = {
    "torchrun": ("torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
    "accelerate": (
        *("accelerate.commands.launch", "--multi_gpu"),
        *("--num_processes", "2", "--num_machines", "1"),
        *("--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"),
    ),
}
"""Modules, with their options, that run a script in two processes."""


def launched(*launcher: str, **asked: Any) -> subprocess.CompletedProcess[str]:
    """Train as ``tiny_training`` does when it is run, and wait.

    Args:
        launcher: One of :data:`LAUNCHERS`; none for one process.
        asked: ``base``, ``folder``, ``kind`` and options.
    """
    script = Path(tiny.__file__)
    content = {k: str(v) if k in {"base", "folder"} else v for k, v in asked.items()}
    module = ("-m", *launcher) if launcher else ()
    return subprocess.run(
        [sys.executable, *module, str(script), json.dumps(content)],
        env={**os.environ, "PYTHONPATH": str(script.parents[1])},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two results have the same tensors, to the bit."""
    import torch

    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def logs(*folders: Path) -> list[list[dict[str, Any]]]:
    """The log of each training, without how long it took."""
    found = [
        [json.loads(line) for line in (f / "out" / "log.jsonl").read_text().splitlines()]
        for f in folders
    ]
    for line in (line for log in found for line in log):
        line.pop("seconds")
    return found
