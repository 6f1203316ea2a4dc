"""What several threads do together: in order, once, bounded, and cleanly ended."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

import xlmerge
import xlmerge.engine.threads
import xlmerge.engine.writing
from builders import Recorder, make, merge, registry
from xlmerge.checkpoint.folder import AdapterFolder
from xlmerge.engine.threads import in_order, workers
from xlmerge.errors import MergeError
from xlmerge.plugin import MergeMethod
from xlmerge.spaces import AdditiveSpace

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlmerge.engine.threads, "workers", lambda: 4)


@pytest.mark.usefixtures("four")
class TestInOrder:
    def test_results_come_in_order(self) -> None:
        def compute(job: int) -> int:
            time.sleep(0.002 * (job % 3))
            return job * job

        assert list(in_order(compute, range(30))) == [(job, job * job) for job in range(30)]

    def test_only_a_few_are_in_memory(self) -> None:
        lock, alive, most = threading.Lock(), 0, 0

        def compute(job: int) -> int:
            nonlocal alive, most
            with lock:
                alive += 1
                most = max(most, alive)
            return job

        for _ in in_order(compute, range(50)):
            time.sleep(0.001)
            with lock:
                alive -= 1
        assert most <= 6  # those waiting, and the one handed over

    def test_an_error_ends_it(self) -> None:
        done: list[int] = []

        def compute(job: int) -> int:
            if job == 3:
                raise MergeError("no")
            done.append(job)
            return job

        with pytest.raises(MergeError), closing(in_order(compute, range(1000))) as results:
            for _ in results:
                pass
        assert len(done) < 20

    def test_closing_waits_for_what_runs(self) -> None:
        running = threading.Semaphore(0)
        finished: list[int] = []

        def compute(job: int) -> int:
            running.release()
            time.sleep(0.05)
            finished.append(job)
            return job

        with closing(in_order(compute, range(100))) as results:
            next(results)
        count = len(finished)
        time.sleep(0.1)
        assert len(finished) == count
        assert not [t for t in threading.enumerate() if t.name.startswith("xlmerge")]


def test_one_thread_at_least() -> None:
    assert 1 <= workers() <= 4


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(("scope", "calls"), [("adapter", 1), ("layer", 3), ("parameter", 16)])
def test_a_span_is_computed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scope: str, calls: int
) -> None:
    """Thresholds over a whole adapter cost a pass over all of it."""
    called: list[str] = []
    real = MergeMethod.__call__

    def counted(self: MergeMethod, space: Any, **inputs: Any) -> Any:
        if space.name != "rehearsal":
            called.append(space.name)
            time.sleep(0.02)
        return real(self, space, **inputs)

    monkeypatch.setattr(MergeMethod, "__call__", counted)
    folders = [make(tmp_path / name, "seq_bn_inv", seed=i) for i, name in enumerate("ab")]
    merge("ties", folders, output=tmp_path / "out", parameters={"scope": scope})
    assert len(called) == calls


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize("scope", ["parameter", "layer"])
def test_a_prefix_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scope: str) -> None:
    reads: Counter[str] = Counter()
    real = AdapterFolder.read

    def counted(self: AdapterFolder, key: str) -> Any:
        reads[f"{self.path.name} {key}"] += 1
        return real(self, key)

    monkeypatch.setattr(AdapterFolder, "read", counted)
    folders = [make(tmp_path / name, "prefix", seed=i) for i, name in enumerate("ab")]
    merge("slerp", folders, output=tmp_path / "out", parameters={"scope": scope})
    assert set(reads.values()) == {1}
    assert len(reads) == 10


@pytest.mark.usefixtures("four")
def test_a_failing_thread_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are not closed under threads that read, and the method's fault is told as such."""
    count = 0
    lock = threading.Lock()

    def lincomb(self: AdditiveSpace, weights: Any, deltas: Any) -> Any:
        nonlocal count
        with lock:
            count += 1
            mine = count
        time.sleep(0.01)
        if mine == 5:
            raise ZeroDivisionError("of my own making")
        return deltas[0]

    monkeypatch.setattr(AdditiveSpace, "lincomb", lincomb)
    folder = make(tmp_path / "a", "seq_bn_inv")
    with pytest.raises(MergeError) as caught:
        merge("linear", {folder: 0.5}, output=tmp_path / "out")
    for word in ("out: linear failed on", "ZeroDivisionError: of my own making", "standard"):
        assert word in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_listener_that_raises(tmp_path: Path) -> None:
    class Tired(Recorder):
        def progress(self, name: str, done: int, total: int) -> None:
            if done == 3:
                raise KeyboardInterrupt

    folder = make(tmp_path / "a", "seq_bn_inv")
    with pytest.raises(KeyboardInterrupt):
        xlmerge.merge(
            "linear",
            {folder: 0.5},
            output=tmp_path / "out",
            listener=Tired(),
            registry=registry(),
        )
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_progress_is_told(tmp_path: Path) -> None:
    heard = Recorder()
    folder = make(tmp_path / "a", "seq_bn")
    merge("linear", {folder: 1.0}, output=tmp_path / "out", listener=heard)
    assert heard.progressed == [(done, 8) for done in range(1, 9)]


def test_a_method_that_gives_another_shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AdditiveSpace, "lincomb", lambda self, weights, deltas: deltas[0][:1])
    folder = make(tmp_path / "a", "seq_bn")
    with pytest.raises(MergeError) as caught:
        merge("linear", {folder: 0.5}, output=tmp_path / "out")
    for word in ("linear gave an array of shape", "the inputs' has", "standard"):
        assert word in str(caught.value)


def test_large_tensors_are_merged_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads would each hold inputs and a result; the bytes are the same."""
    folders = [make(tmp_path / name, "lora", seed=seed) for seed, name in enumerate("ab")]
    weights = dict.fromkeys(folders, 0.5)
    threads = merge("linear", weights, output=tmp_path / "threads" / "out")
    names: set[str] = set()
    read = AdapterFolder.read

    def noting(self: AdapterFolder, key: str) -> Any:
        names.add(threading.current_thread().name)
        return read(self, key)

    monkeypatch.setattr(AdapterFolder, "read", noting)
    monkeypatch.setattr(xlmerge.engine.writing, "_LARGE", 0)
    alone = merge("linear", weights, output=tmp_path / "alone" / "out")
    assert names == {threading.current_thread().name}
    for file in threads.glob("*.bin"):
        assert file.read_bytes() == (alone / file.name).read_bytes()
