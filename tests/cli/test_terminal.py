"""In a process of its own: pipes, signals, terminals, encodings, completion."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

XLMERGE = [sys.executable, "-m", "xlmerge"]
ESCAPE = "\x1b"
FULL = Path("/dev/full")


def run(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **more.pop("env", {})}
    return subprocess.run(
        [*XLMERGE, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        encoding="utf-8",
        env=env,
        **more,
    )


def test_python_m() -> None:
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("xlmerge, version ")


def test_no_bar_and_no_colour_without_a_terminal(work: Path) -> None:
    done = run("run", "recipe.yaml", cwd=work, env={"FORCE_COLOR": "1", "TERM": "xterm-256color"})
    assert done.returncode == 0
    assert ESCAPE not in done.stdout + done.stderr
    assert done.stderr == ""


@pytest.mark.skipif(os.name == "nt", reason="pipes break differently there")
def test_a_reader_that_has_enough(work: Path) -> None:
    """As in ``xlmerge methods | head -1``."""
    for arguments in (["methods"], ["schema"]):
        reader, writer = os.pipe()
        os.close(reader)
        try:
            done = subprocess.run(
                [*XLMERGE, *arguments],
                stdout=writer,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
                cwd=work,
                timeout=60,
            )
        finally:
            os.close(writer)
        assert done.stderr == "", arguments


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_a_full_disk_under_stdout() -> None:
    with FULL.open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [*XLMERGE, "methods"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


# Sends itself the signal in the middle of a merge, which is when a person does.
INTERRUPTED = """
import os, signal, sys
from xlmerge.cli import listening, main

def progress(self, name, done, total):
    os.kill(os.getpid(), signal.SIGINT)

listening.EchoListener.progress = progress
# Shells have programs in the background ignore it, and those that they start inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
main(sys.argv[1:])
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to oneself there")
def test_ctrl_c(work: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, "run", "recipe.yaml"],
        capture_output=True,
        text=True,
        check=False,
        cwd=work,
        timeout=60,
    )
    assert done.returncode == 130
    assert done.stderr.strip() == "interrupted"
    assert not [path for path in (work / "recipe").rglob("*") if path.name != "recipe"]


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal to imitate")
def test_a_bar_on_a_terminal_that_leaves_nothing(work: Path) -> None:
    master, slave = os.openpty()
    process = subprocess.Popen(
        [*XLMERGE, "run", "recipe.yaml"],
        stdout=subprocess.PIPE,
        stderr=slave,
        cwd=work,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
    )
    os.close(slave)
    shown = b""
    try:
        while chunk := os.read(master, 4096):
            shown += chunk
    except OSError:  # how the end of a terminal reads on Linux
        pass
    out, _ = process.communicate(timeout=60)
    os.close(master)
    assert process.returncode == 0
    assert ESCAPE.encode() in shown
    assert b"bridge" in shown
    assert ESCAPE.encode() not in out
    assert out.count(b"merged") == 2


def test_an_ascii_terminal(work: Path) -> None:
    (work / "ꦧꦱ").mkdir()
    env = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = run("inspect", "ꦧꦱ", cwd=work, env=env)
    assert done.returncode == 4
    assert "adapter_config.json is missing" in done.stderr
    assert run("methods", "--json", env=env).returncode == 0
    assert run("schema", env=env).returncode == 0


def complete(words: str, index: int, work: Path) -> list[str]:
    env = {"_XLMERGE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(index)}
    done = run(cwd=work, env=env)
    assert "Traceback" not in done.stderr
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_completion(work: Path) -> None:
    assert complete("xlmerge me", 1, work) == ["merge", "methods"]
    assert complete("xlmerge merge la", 2, work) == ["language_arithmetic"]
    assert complete("xlmerge methods show ad", 3, work) == ["adamergex", "add"]
    assert "--weights" in complete("xlmerge merge --we", 2, work)


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL there")
def test_a_kill_leaves_the_old_output_or_none(work: Path) -> None:
    process = subprocess.Popen([*XLMERGE, "run", "recipe.yaml", "-q"], cwd=work)
    time.sleep(0.15)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for step in ("bridge", "javanese_sentiment"):
        folder = work / "recipe" / step
        assert not folder.exists() or (folder / "xlmerge.json").is_file()
    assert run("run", "recipe.yaml", cwd=work).returncode == 0
    assert [path.name for path in (work / "recipe").iterdir() if path.name[0] == "."] == []
