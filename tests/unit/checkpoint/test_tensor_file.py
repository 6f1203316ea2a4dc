"""One interface for both containers: told apart by content, and alike in behaviour."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest

from xlmerge.checkpoint import positioned_file
from xlmerge.checkpoint.positioned_file import PositionedFile
from xlmerge.checkpoint.tensor_file import (
    Container,
    TensorFile,
    TensorWriter,
    create_tensor_file,
    open_tensor_file,
)
from xlmerge.checkpoint.torch_file import looks_like_torch
from xlmerge.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

CONTAINERS: tuple[Container, ...] = ("safetensors", "bin")
STATE = {
    "down.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "up.weight": np.arange(4, dtype=ml_dtypes.bfloat16),
    "steps": np.array(7),
}


def write(path: Path, container: Container, **options: Any) -> None:
    with create_tensor_file(path, container, list(STATE), **options) as writer:
        assert isinstance(writer, TensorWriter)
        for name, array in STATE.items():
            writer.write(name, array)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("name", ["adapter.bin", "adapter.safetensors", "no-suffix"])
def test_round_trip_whatever_the_name(tmp_path: Path, container: Container, name: str) -> None:
    path = tmp_path / name
    write(path, container)
    with open_tensor_file(path) as file:
        assert isinstance(file, TensorFile)
        assert (file.container, file.path, file.metadata) == (container, path, {})
        assert list(file.headers) == list(STATE)
        for key, array in STATE.items():
            found = file.read(key)
            assert found.dtype == array.dtype
            np.testing.assert_array_equal(found, array)
            found[...] = 0  # the caller's own
        np.testing.assert_array_equal(file.read("down.weight"), STATE["down.weight"])


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_closed_file_is_not_read(tmp_path: Path, container: Container) -> None:
    write(tmp_path / "f", container)
    with open_tensor_file(tmp_path / "f") as file:
        pass
    with pytest.raises(ValueError, match="closed file"):
        file.read("steps")


def test_metadata_is_for_safetensors(tmp_path: Path) -> None:
    write(tmp_path / "f", "safetensors", metadata={"format": "pt"})
    with open_tensor_file(tmp_path / "f") as file:
        assert file.metadata == {"format": "pt"}
    with pytest.raises(ValueError, match="holds no metadata"):
        create_tensor_file(tmp_path / "g", "bin", [], {"format": "pt"})
    assert not (tmp_path / "g").exists()


@pytest.mark.parametrize("container", CONTAINERS)
def test_no_tensors(tmp_path: Path, container: Container) -> None:
    with create_tensor_file(tmp_path / "f", container, []):
        pass
    with open_tensor_file(tmp_path / "f") as file:
        assert file.headers == {}


@pytest.mark.parametrize(
    ("data", "torch"),
    [
        (b"", False),
        (b"PK", False),
        (b"PK\x03\x04", True),
        (b"PK\x03\x04\0\0\0\0{}".ljust(600), False),  # a safetensors header of 67 MB
        (b"PK\x05\x06" + bytes(18), False),
        (pickle.dumps(0x1950A86A20F9469CFC6C, 2), True),
        (pickle.dumps(0x1950A86A20F9469CFC6C, 4), True),
        (pickle.dumps(0x1950A86A20F9469CFC6D, 2), False),
        (pickle.dumps({"w": 1}), False),
    ],
)
def test_told_apart_by_content(tmp_path: Path, data: bytes, torch: bool) -> None:
    path = tmp_path / "adapter"
    path.write_bytes(data)
    assert looks_like_torch(path) is torch
    with pytest.raises(CheckpointError) as caught:
        open_tensor_file(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        open_tensor_file(tmp_path / "nowhere" / "adapter.bin")
    with pytest.raises(CheckpointError, match="found a folder"):
        open_tensor_file(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="expected a file"):
        open_tensor_file(tmp_path / "pipe")


def test_reading_without_positioned_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positioned_file, "_HAS_PREADV", False)
    (tmp_path / "f").write_bytes(bytes(range(100)))
    file = PositionedFile(tmp_path / "f")
    assert file.read(40, 3, "part") == bytes((40, 41, 42))
    assert file.read(7, 1, "part") == bytes((7,))
    assert file.read(2**70, 0, "part") == b""
    with pytest.raises(CheckpointError, match="part needs bytes 90 to 103, but the file has 100"):
        file.read(90, 13, "part")
    for offset in (-1, -(2**70), 2**70):
        with pytest.raises(CheckpointError, match="part needs bytes"):
            file.read(offset, 1, "part")
    file.close()


def test_a_read_in_several_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operating system gives at most 2 GB at a time."""
    (tmp_path / "f").write_bytes(bytes(range(100)))
    whole = os.preadv if hasattr(os, "preadv") else pytest.skip("no positioned reads here")
    monkeypatch.setattr(os, "preadv", lambda file, views, at: whole(file, [views[0][:7]], at))
    file = PositionedFile(tmp_path / "f")
    assert file.read(5, 90, "part") == bytes(range(5, 95))
    file.close()
