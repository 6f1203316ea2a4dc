"""Hashes, and when a remembered one is believed."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlmerge.checkpoint.hashing import HashMemory, sha256
from xlmerge.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

OLD = 1_600_000_000_000_000_000
LARGE = b"x" * (1 << 17)


def write(path: Path, content: bytes, time: int = OLD) -> Path:
    path.write_bytes(content)
    os.utime(path, ns=(time, time))
    return path


@given(st.binary(max_size=100), st.sampled_from([0, 1, 10_000, (1 << 20) - 3, 1 << 20, 1 << 21]))
def test_as_hashlib_says(tmp_path_factory: pytest.TempPathFactory, tail: bytes, size: int) -> None:
    content = bytes(size) + tail
    path = tmp_path_factory.mktemp("hash") / "file"
    path.write_bytes(content)
    assert sha256(path) == hashlib.sha256(content).hexdigest()


def test_large_files_are_remembered(tmp_path: Path) -> None:
    path = write(tmp_path / "file", LARGE)
    memory = HashMemory()
    digest = memory.hash(path)
    again = HashMemory(memory.current)
    write(path, b"y" * len(LARGE))  # which nobody would do
    assert again.hash(path) == digest
    assert HashMemory().hash(path) != digest


@pytest.mark.parametrize("change", ["size", "time"])
def test_size_and_time_are_looked_at(tmp_path: Path, change: str) -> None:
    path = write(tmp_path / "file", LARGE)
    memory = HashMemory()
    memory.hash(path)
    content = LARGE + b"z" if change == "size" else LARGE[:-1] + b"z"
    write(path, content, OLD + (change == "time"))
    expected = hashlib.sha256(content).hexdigest()
    assert HashMemory(memory.current).hash(path) == expected
    assert memory.hash(path) == expected


def test_small_files_are_always_read(tmp_path: Path) -> None:
    path = write(tmp_path / "file", b"one")
    memory = HashMemory()
    first = memory.hash(path)
    assert memory.current == {}
    write(path, b"two")
    assert memory.hash(path) != first


def test_what_has_just_changed_is_not_remembered(tmp_path: Path) -> None:
    """It could change again within the resolution of its time stamp."""
    path = tmp_path / "file"
    path.write_bytes(LARGE)
    memory = HashMemory()
    memory.hash(path)
    assert memory.current == {}


def test_links_are_followed(tmp_path: Path) -> None:
    path = write(tmp_path / "file", LARGE)
    (tmp_path / "link").symlink_to(path)
    memory = HashMemory()
    assert memory.hash(tmp_path / "link") == memory.hash(path)
    assert list(memory.current) == [str(path)]


@pytest.mark.parametrize(
    "junk",
    [None, 3, "x", [], [1, 2], [1, 2, 3], ["a", "b", "c"], {"a": 1}, [len(LARGE), OLD, None]],
)
def test_junk_is_passed_over(tmp_path: Path, junk: Any) -> None:
    path = write(tmp_path / "file", LARGE)
    assert HashMemory({str(path): junk}).hash(path) == sha256(path)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        HashMemory().hash(tmp_path / "gone")
