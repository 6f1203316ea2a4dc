"""Folders that appear whole or not at all; leftovers of the dead, and of the living."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

import xlmerge.checkpoint.placing
from builders import listing
from xlmerge.checkpoint import leftovers, locks
from xlmerge.checkpoint.leftovers import Stage, remove_leftovers
from xlmerge.checkpoint.staging import held_folder, replace_text, staged_folder
from xlmerge.errors import CheckpointError, OutputError

if TYPE_CHECKING:
    from pathlib import Path


def fill(target: Path, text: str) -> None:
    with staged_folder(target) as stage:
        (stage / "file").write_text(text)
        assert stage.parent == target.parent
        assert not target.exists() or (target / "file").read_text() != text


@pytest.fixture(params=["swapped", "moved"])
def target(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the system can swap two folders, and where it cannot."""
    if request.param == "moved":
        monkeypatch.setattr(xlmerge.checkpoint.placing, "_exchange", lambda *_: False)
    return tmp_path / "some" / "where" / "out"


def test_new_and_replaced(target: Path) -> None:
    for text in ("one", "two", "three"):
        fill(target, text)
        assert (target / "file").read_text() == text
        assert listing(target.parent) == ["out", "out/file"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, CheckpointError])
def test_an_error_leaves_everything_as_it_was(target: Path, error: type[BaseException]) -> None:
    for there in (False, True):
        if there:
            fill(target, "old")
        with pytest.raises(error), staged_folder(target) as stage:
            (stage / "file").write_text("new")
            raise error("x")
        assert listing(target.parents[2]) == (
            ["some", "some/where", "some/where/out", "some/where/out/file"] if there else []
        )
    assert (target / "file").read_text() == "old"


def test_errors_of_the_system_are_told(target: Path) -> None:
    with pytest.raises(OutputError) as caught, staged_folder(target) as stage:
        (stage / "missing" / "file").write_text("x")
    assert "cannot be written: No such file" in str(caught.value)
    assert str(target) in str(caught.value)
    assert isinstance(caught.value, OSError)


def test_a_target_that_appears_meanwhile(target: Path) -> None:
    with staged_folder(target) as stage:
        (stage / "file").write_text("mine")
        fill(target, "faster")
    assert (target / "file").read_text() == "mine"
    assert listing(target.parent) == ["out", "out/file"]


def test_a_target_that_goes_meanwhile(target: Path) -> None:
    fill(target, "old")
    with staged_folder(target) as stage:
        (stage / "file").write_text("new")
        (target / "file").unlink()
        target.rmdir()
    assert (target / "file").read_text() == "new"


def dead(target: Path, kind: str = "folder") -> Path:
    """What a killed process leaves: something that nobody holds."""
    target.parent.mkdir(parents=True, exist_ok=True)
    path = target.parent / f".{target.name}.xlmerge-1-0123abcd"  # process 1 runs
    if kind == "folder":
        (path / "deeper").mkdir(parents=True)
    elif kind == "file":
        path.write_text("half")
    else:
        path.symlink_to(target.parent)
    return path


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_leftovers_are_removed(target: Path, kind: str) -> None:
    left = dead(target, kind)
    other = dead(target.with_name("other"))
    fill(target, "new")
    assert not os.path.lexists(left)
    assert other.exists()
    assert target.parent.is_dir()


def test_what_somebody_works_on_is_let_be(target: Path) -> None:
    target.parent.mkdir(parents=True)
    stage = Stage.folder(target)
    remove_leftovers(target)
    assert stage.path.is_dir()
    stage.release()
    remove_leftovers(target)
    assert not stage.path.exists()


def test_without_locks_process_ids_decide(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "fcntl", None)
    left = dead(target)
    remove_leftovers(target)
    assert left.exists()  # process 1 runs
    monkeypatch.setattr(leftovers, "_runs", lambda pid: False)
    remove_leftovers(target)
    assert not left.exists()
    fill(target, "new")
    with held_folder(target.parent, busy=lambda: pytest.fail("nobody is there")):
        pass


def test_a_killed_process(target: Path) -> None:
    script = (
        "import sys, pathlib, time\n"
        "from xlmerge.checkpoint.staging import staged_folder\n"
        "with staged_folder(pathlib.Path(sys.argv[1])) as stage:\n"
        "    (stage / 'file').write_text('half')\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(target)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    remove_leftovers(target)
    [left] = target.parent.iterdir()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert left.is_dir()
    fill(target, "new")
    assert listing(target.parent) == ["out", "out/file"]


def test_a_text_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    replace_text(file, "one \udc80")
    assert file.read_text() == "one \\udc80"
    left = dead(file, "file")
    replace_text(file, "two")
    assert not left.exists()
    with monkeypatch.context() as patched:

        def full(handle: int) -> None:
            raise OSError(28, "No space left on device")

        patched.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="No space left"):
            replace_text(file, "three")
    assert file.read_text() == "two"
    assert listing(tmp_path) == ["file"]


def test_a_held_folder_is_waited_for(tmp_path: Path) -> None:
    import threading

    folder = tmp_path / "a" / "b"
    order: list[str] = []
    inside = threading.Event()

    def first() -> None:
        with held_folder(folder, busy=lambda: order.append("never")):
            inside.set()
            time.sleep(0.2)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait()
    with held_folder(folder, busy=lambda: order.append("busy")):
        order.append("second")
    thread.join()
    assert order == ["busy", "first", "second"]
    assert folder.is_dir()


def test_a_held_folder_is_removed_after_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with pytest.raises(RuntimeError), held_folder(folder, busy=lambda: None):
        raise RuntimeError
    assert listing(tmp_path) == []
    with pytest.raises(RuntimeError), held_folder(folder, busy=lambda: None):
        (folder / "kept").touch()
        raise RuntimeError
    assert listing(tmp_path) == ["a", "a/b", "a/b/kept"]


def test_a_held_folder_that_its_holder_removes(tmp_path: Path) -> None:
    import threading

    folder = tmp_path / "a"
    inside, waiting = threading.Event(), threading.Event()

    def first() -> None:
        with pytest.raises(RuntimeError), held_folder(folder, busy=lambda: None):
            inside.set()
            waiting.wait(10)
            raise RuntimeError

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait()
    with held_folder(folder, busy=waiting.set):
        assert folder.is_dir()
        assert locks.is_held(folder)
    thread.join()
    assert locks.is_held(folder) is False
