"""Torch files written without torch: torch.load reads them back, mapped or not, weights only."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
import zipfile
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlmerge.checkpoint.dtypes import DTYPES, numpy_dtype
from xlmerge.checkpoint.torch_file import TorchFile
from xlmerge.checkpoint.torch_pickle import StorageRef, TensorRef
from xlmerge.checkpoint.torch_pickle_writer import pickle_state_dict
from xlmerge.checkpoint.torch_writer import TorchWriter

if TYPE_CHECKING:
    from pathlib import Path

WRITABLE = [dtype.name for dtype in DTYPES.values() if dtype.storage]


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    dtype = numpy_dtype(draw(st.sampled_from(WRITABLE)))
    shape = draw(st.lists(st.integers(0, 3), max_size=4))
    size = int(np.prod(shape)) * dtype.itemsize
    raw = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), np.uint8)
    if dtype.name == "bool":
        raw = raw % 2
    return raw.view(dtype).reshape(shape)


states = st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=12), arrays(), max_size=5)


def write(path: Path, state: dict[str, Any]) -> bytes:
    """Write arrays; a text instead of one is the name it is an alias of."""
    path.unlink(missing_ok=True)
    with TorchWriter(path, list(state)) as writer:
        for name, array in state.items():
            if isinstance(array, str):
                writer.alias(name, array)
            else:
                writer.write(name, array)
    return path.read_bytes()


def seen(array: np.ndarray) -> tuple[str, tuple[int, ...], bytes]:
    return array.dtype.name, array.shape, array.tobytes()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file name for the many small files of a property."""
    return tmp_path_factory.mktemp("torch") / "scratch.bin"


@given(state=states)
def test_the_reader_reads_what_is_written(scratch: Path, state: dict[str, Any]) -> None:
    data = write(scratch, state)
    with TorchFile(scratch) as file:
        assert list(file.headers) == list(state)
        for name, array in state.items():
            assert seen(file.read(name)) == seen(array)
    assert write(scratch, state) == data


@pytest.mark.libraries
@given(state=states)
def test_torch_reads_what_is_written(scratch: Path, state: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    write(scratch, state)
    for options in ({}, {"mmap": True}):
        loaded = torch.load(scratch, weights_only=True, **options)
        assert list(loaded) == list(state)
        for name, tensor in loaded.items():
            array = state[name]
            assert str(tensor.dtype) == f"torch.{array.dtype.name}"
            assert tuple(tensor.shape) == array.shape
            assert tensor.is_contiguous()
            raw = tensor.reshape(-1).view(torch.uint8).numpy() if tensor.numel() else array
            assert raw.tobytes() == array.tobytes()


@pytest.mark.libraries
def test_torch_sees_aliases_and_may_skip_the_data(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "pytorch_adapter.bin"
    write(path, {"a": np.ones((300, 3), np.float32), "b": np.ones(2), "c": "a", "d": "c"})
    with TorchFile(path) as file:
        assert [header.same_as for header in file.headers.values()] == [None, None, "a", "a"]
    for options in ({}, {"mmap": True}, {"map_location": "meta"}):
        loaded = torch.load(path, weights_only=True, **options)
        assert loaded["d"].shape == (300, 3)
        if "map_location" not in options:
            assert len({tensor.data_ptr() for tensor in loaded.values()}) == 2
    with zipfile.ZipFile(path) as archive:
        assert [name for name in archive.namelist() if "/data/" in name] == [
            "pytorch_adapter/data/0",
            "pytorch_adapter/data/1",
        ]


def test_the_archive(tmp_path: Path) -> None:
    path = tmp_path / "other.bin"
    write(path, {"w": np.arange(5, dtype=np.int8), "v": np.arange(300, dtype=np.float32)})
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for entry in archive.infolist():
            assert entry.filename.startswith("pytorch_adapter/")
            assert entry.compress_type == zipfile.ZIP_STORED
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
            start = entry.header_offset + 30
            sizes = np.frombuffer(data, "<u2", 2, start - 4)
            assert (start + int(sizes.sum())) % 64 == 0
            assert data.find(archive.read(entry)) <= start + int(sizes.sum())


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4).T,
        np.arange(24, dtype=np.int16)[::-2],
        np.arange(12, dtype=ml_dtypes.bfloat16).reshape(3, 4)[:, ::2],
        np.arange(6, dtype=">f4").reshape(2, 3),
    ],
)
def test_any_memory_layout(tmp_path: Path, array: np.ndarray) -> None:
    write(tmp_path / "f", {"w": array})
    with TorchFile(tmp_path / "f") as file:
        np.testing.assert_array_equal(file.read("w"), array)


def test_writing_costs_no_copy(tmp_path: Path) -> None:
    array = np.zeros(32 << 20, np.uint8)
    tracemalloc.start()
    try:
        write(tmp_path / "f", {"w": array[:64]})
        tracemalloc.reset_peak()
        with TorchWriter(tmp_path / "g", ["w"]) as writer:
            writer.write("w", array)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_failing_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "adapter.bin"

    def fail() -> None:
        with TorchWriter(path, ["a", "b"]) as writer:
            writer.write("a", np.ones(3))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not path.exists()
    incomplete = TorchWriter(path, ["a", "b"])
    incomplete.write("a", np.ones(3))
    with pytest.raises(ValueError, match="1 announced tensors were not written: 'b'"):
        incomplete.__exit__(None, None, None)
    assert not path.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
@pytest.mark.parametrize("size", [1, 50_000])
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, size: int) -> None:
    # A limit on the size of files fails as a full disk does.
    code = (
        "import resource, signal, sys, pathlib, numpy as np;"
        "from xlmerge.checkpoint.tensor_file import create_tensor_file;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100));\n"
        "for container in ('bin', 'safetensors'):\n"
        "    path = pathlib.Path(sys.argv[1]) / container\n"
        "    try:\n"
        "        with create_tensor_file(path, container, ['w']) as writer:\n"
        "            writer.write('w', np.ones(int(sys.argv[2])))\n"
        "    except OSError: print(path.exists())\n"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(tmp_path), str(size)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == (["False", "False"], "")


def test_misuse(tmp_path: Path) -> None:
    path = tmp_path / "adapter.bin"
    with TorchWriter(path, ["a", "b"]) as writer:
        with pytest.raises(ValueError, match="'c' was not announced"):
            writer.write("c", np.ones(1))
        with pytest.raises(ValueError, match="'b', which was not written before"):
            writer.alias("a", "b")
        writer.write("a", np.ones(1))
        with pytest.raises(ValueError, match="'a' is there already"):
            writer.write("a", np.ones(1))
        with pytest.raises(ValueError, match="'c' was not announced"):
            writer.alias("c", "a")
        writer.alias("b", "a")
        with pytest.raises(ValueError, match="'b' is there already"):
            writer.alias("b", "a")
    with pytest.raises(FileExistsError):
        TorchWriter(path, ["a"])
    with pytest.raises(ValueError, match="announced twice"):
        TorchWriter(tmp_path / "g", ["a", "a"])
    for array in (np.ones(1, np.uint16), np.ones(1, complex)):
        with pytest.raises(ValueError, match="cannot write"):
            write(tmp_path / "g", {"a": array})
    assert not (tmp_path / "g").exists()


@pytest.mark.libraries
@pytest.mark.parametrize("count", [0, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**40, 2**62])
def test_numbers_of_any_size(count: int) -> None:
    """torch's safe unpickler reads the counts that no test could write a file of."""
    import io

    _weights_only_unpickler = pytest.importorskip("torch._weights_only_unpickler")
    from torch import _utils  # noqa: F401  (the names below are looked up there)

    storage = StorageRef("0", "float32", count)
    text = pickle_state_dict({"w": TensorRef(storage, 0, (0,), (1,))})
    unpickler = _weights_only_unpickler.Unpickler(io.BytesIO(text))
    references = []

    class EnoughError(Exception):
        pass

    def look_up(reference: Any) -> Any:
        references.append(reference)
        raise EnoughError

    unpickler.persistent_load = look_up
    with pytest.raises(EnoughError):
        unpickler.load()
    assert references[0][4] == count
