"""Runs that are killed, and runs beside each other."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import xlmerge
from builders import Recorder, listing, make, registry, run, snapshot, write_recipe

if TYPE_CHECKING:
    from pathlib import Path

# Warm, so that the moments of the kills fall into the work and not into the imports; one byte on
# stdin starts each run. Parameters change from run to run, so that outputs are replaced.
SCRIPT = """
import sys, xlmerge, itertools
from xlmerge.plugin import discover
import numpy, huggingface_hub, threadpoolctl
import xlmerge.engine, xlmerge.runner, xlmerge.recipe.loader, xlmerge.recipe.schema
registry = discover()
recipe, out, first = sys.argv[1:]
print("ready", flush=True)
sys.stdin.read(1)
for turn in itertools.count(int(first)):
    xlmerge.run(recipe, output=out, overrides=[f"steps.one.adapters.a={turn}"], registry=registry)
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    for seed, name in enumerate("ab"):
        make(home / name, "seq_bn_inv", seed=seed)
    steps: dict[str, Any] = {
        "one": {"merge": "linear", "adapters": {"a": 0.5, "b": 0.5}},
        "two": {"merge": "slerp", "adapters": ["one", "b"]},
    }
    return write_recipe(home, {"a": "./a", "b": "./b"}, steps)


def start(recipe: Path, out: Path, first: int) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(recipe), str(out), str(first)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def go(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.write(b"x")
    process.stdin.flush()


def end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def assert_whole(folder: Path) -> None:
    """A folder is as its own record says, or not there."""
    import hashlib
    import json

    if not folder.exists():
        return
    record = json.loads((folder / "xlmerge.json").read_text())
    files = {path.name for path in folder.iterdir()} - {"xlmerge.json"}
    assert files == set(record["outputs"])
    for name, known in record["outputs"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == known["sha256"]


def test_kill_at_random_moments(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    source = random.Random(os.environ.get("PYTEST_RANDOMLY_SEED", "1"))
    inputs = snapshot(recipe.parent)
    left = 0
    processes = [start(recipe, out, 1 + 1000 * turn) for turn in range(12)]
    for process in processes:
        go(process)
        time.sleep(source.uniform(0.0, 0.15))
        end(process)
        for name in ("one", "two"):
            assert_whole(out / name)
        left += any(".xlmerge-" in name for name in listing(out)) if out.exists() else 0
        assert snapshot(recipe.parent) == inputs
    run(recipe, output=out)
    assert sorted(path.name for path in out.iterdir()) == ["one", "two", "xlmerge-run.json"]
    fresh = tmp_path / "fresh"
    run(recipe, output=fresh)
    for name in ("one", "two"):
        assert snapshot(out / name) == snapshot(fresh / name)


def test_runs_beside_each_other(recipe: Path, tmp_path: Path) -> None:
    """The same recipe, by several processes at once; one result stands at the end, whole."""
    script = """
import sys, xlmerge
print("ready", flush=True)
sys.stdin.read(1)
xlmerge.run(sys.argv[1], output=sys.argv[2])
"""
    for turn in range(2):
        out = tmp_path / f"out{turn}"
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", script, str(recipe), str(out)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            for _ in range(4)
        ]
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        for process in processes:
            go(process)
        for process in processes:
            _, said = process.communicate(timeout=120)
            assert process.returncode == 0, said.decode()
        for name in ("one", "two"):
            assert_whole(out / name)
        assert sorted(path.name for path in out.iterdir()) == ["one", "two", "xlmerge-run.json"]
        assert set(run(recipe, output=out).status.values()) == {"up to date"}


def test_what_a_living_run_works_on_is_let_be(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(recipe, out, 1)
    try:
        go(process)
        deadline = time.monotonic() + 30
        while not out.exists() and time.monotonic() < deadline:
            time.sleep(0.001)
        for turn in range(10):
            run(recipe, output=out, overrides=[f"steps.one.adapters.b={turn + 2}"], force=True)
        assert process.poll() is None
    finally:
        end(process)
    for name in ("one", "two"):
        assert_whole(out / name)


def test_a_run_waits_for_the_one_before(recipe: Path, tmp_path: Path) -> None:
    """And says so; then there is nothing left to do."""
    out = tmp_path / "out"
    first = threading.Event()
    go_on = threading.Event()

    class Slow(xlmerge.Listener):
        def progress(self, name: str, done: int, total: int) -> None:
            first.set()
            go_on.wait(30)

    slow = threading.Thread(
        target=lambda: xlmerge.run(recipe, output=out, listener=Slow(), registry=registry())
    )
    slow.start()
    assert first.wait(30)

    class Waiting(Recorder):
        def warning(self, text: str) -> None:
            super().warning(text)
            go_on.set()

    heard = Waiting()
    xlmerge.run(recipe, output=out, listener=heard, registry=registry())
    slow.join()
    assert heard.warnings == [f"waiting for another run that writes to {out}"]
    assert set(heard.status.values()) == {"up to date"}
