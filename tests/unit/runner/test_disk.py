"""Disks that are full, folders that may not be written: the old output, or none."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import xlmerge
import xlmerge.checkpoint.placing
import xlmerge.checkpoint.streaming_writer
import xlmerge.engine.writing
from builders import listing, make, merge, registry, run, snapshot, write_recipe
from xlmerge.errors import OutputError

STEP: dict[str, Any] = {"merge": "linear", "adapters": {"a": 0.5, "b": 0.5}}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    for seed, name in enumerate("ab"):
        make(tmp_path / name, "lora", seed=seed, labels=2)
    step = {**STEP, "heads": "from a", "with": {"tolerance": 0.2}}
    return write_recipe(tmp_path, {"a": "./a", "b": "./b"}, {"out": step})


FULL = OSError(errno.ENOSPC, "No space left on device")


class Failing:
    """Raises at the n-th call of any function it stands in for."""

    def __init__(self, at: int, error: BaseException = FULL) -> None:
        self.left = at
        self.error = error

    def wrap(self, function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                raise self.error
            return function(*args, **kwargs)

        return call


def patch(monkeypatch: pytest.MonkeyPatch, failing: Failing) -> None:
    """Put it before everything that writes."""
    for owner, name in (
        (xlmerge.checkpoint.streaming_writer.StreamingWriter, "write"),
        (os, "fsync"),
        (Path, "write_bytes"),
        (Path, "mkdir"),
        (Path, "rename"),
        (xlmerge.checkpoint.placing, "_exchange"),
    ):
        monkeypatch.setattr(owner, name, failing.wrap(getattr(owner, name)))


@pytest.mark.parametrize("replacing", [False, True])
@pytest.mark.parametrize("error", [FULL, KeyboardInterrupt()], ids=["full", "interrupted"])
def test_at_every_moment(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, replacing: bool, error: BaseException
) -> None:
    out = recipe.parent / "recipe"
    old: dict[str, bytes] = {}
    if replacing:
        run(recipe)
        old = snapshot(out / "out")
    overrides = ["steps.out.adapters.a=0.25"]
    left = listing(recipe.parent)
    for at in range(1000):
        with monkeypatch.context() as patched:
            patch(patched, Failing(at, error))
            try:
                run(recipe, overrides=overrides)
            except (OutputError, KeyboardInterrupt) as raised:
                said = str(raised)
            else:
                break
        if error is FULL:
            assert "No space left on device" in said
            assert "free some space" in said
        if (out / "out").exists() and snapshot(out / "out") != old:
            break  # it took place, and only what comes after it failed
        assert listing(recipe.parent) == left, at
    assert at > 20
    monkeypatch.undo()
    assert set(run(recipe, overrides=overrides).status) == {"out"}
    names = [name for name in listing(recipe.parent) if "/." in name or name.startswith(".")]
    assert names == []


def test_a_file_size_limit(recipe: Path, tmp_path: Path) -> None:
    """What the system says of a full disk, from the system itself."""
    script = """
import resource, sys, xlmerge
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    xlmerge.run(sys.argv[1], output=sys.argv[2])
except xlmerge.XLMergeError as error:
    print(type(error).__name__, error)
"""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)
    before = snapshot(tmp_path)
    said = subprocess.run(
        [sys.executable, "-c", script, str(recipe), str(tmp_path / "new" / "out")],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    assert said.startswith("OutputError")
    assert "File too large" in said
    assert snapshot(tmp_path) == before
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder(recipe: Path, tmp_path: Path) -> None:
    place = tmp_path / "locked"
    place.mkdir(mode=0o555)
    with pytest.raises(OutputError, match="Permission denied"):
        merge("linear", {tmp_path / "a": 1.0}, output=place / "out")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_what_is_said_of_an_unwritable_folder(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    failing = Failing(0, OSError(code, os.strerror(code)))
    monkeypatch.setattr(Path, "mkdir", failing.wrap(Path.mkdir))
    with pytest.raises(OutputError) as caught:
        run(recipe)
    for word in (
        str(recipe.parent / "recipe"),
        os.strerror(code),
        "change the permissions",
    ):
        assert word in str(caught.value)
    assert caught.value.exit_code == 7


def test_a_reader_of_progress_that_has_gone(recipe: Path) -> None:
    """A closed pipe is no full disk."""

    class Gone(xlmerge.Listener):
        def progress(self, name: str, done: int, total: int) -> None:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        xlmerge.run(recipe, listener=Gone(), registry=registry())
    assert not (recipe.parent / "recipe").exists()


def test_folders_that_were_there_stay(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (recipe.parent / "recipe").mkdir()
    monkeypatch.setattr(os, "fsync", Failing(0).wrap(os.fsync))
    with pytest.raises(OutputError):
        run(recipe)
    assert listing(recipe.parent / "recipe") == []
