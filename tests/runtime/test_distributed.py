"""What several processes agree on, in two real ones."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from xlmerge.runtime import distributed

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.libraries

# Each process says what it got; the first one is late, and the other has to wait for it.
PROGRAM = """
import sys, time
from pathlib import Path
from xlmerge.errors import XLMergeError
from xlmerge.runner.ranks import by_first, is_first, wait
here = Path(sys.argv[1])
def decide():
    time.sleep(0.5)
    (here / "written").touch()
    return {"by": "first"}
assert by_first(decide) == {"by": "first"}
assert (here / "written").is_file()
if is_first():
    time.sleep(0.5)
    (here / "later").touch()
wait()
assert (here / "later").is_file()
def fail():
    raise ValueError("wrong")
try:
    by_first(fail)
except ValueError:
    assert is_first()
except XLMergeError as error:
    assert not is_first()
    assert "first process failed" in error.message
else:
    raise AssertionError
"""


def test_alone_nothing_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    value = object()
    assert distributed.share(value) is value
    distributed.barrier()
    assert (distributed.rank(), distributed.world_size()) == (0, 1)


def test_two_processes(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path)],
            env={
                **os.environ,
                "RANK": str(rank),
                "WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "CUDA_VISIBLE_DEVICES": "",
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    told = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(told)
