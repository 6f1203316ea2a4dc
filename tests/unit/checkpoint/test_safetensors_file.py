"""safetensors: the package is the twin, for what is accepted, what is refused, and every byte."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest
import safetensors
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from xlmerge.checkpoint.dtypes import DTYPES, numpy_dtype
from xlmerge.checkpoint.safetensors_file import SafetensorsFile
from xlmerge.checkpoint.safetensors_writer import SafetensorsWriter
from xlmerge.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

READABLE = [name for name, dtype in DTYPES.items() if dtype.readable]

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(
    lambda name: name != "__metadata__"
)
shapes = st.lists(st.integers(0, 3), max_size=4).map(tuple)


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    dtype = numpy_dtype(draw(st.sampled_from(READABLE)))
    shape = draw(shapes)
    size = int(np.prod(shape)) * dtype.itemsize
    raw = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), np.uint8)
    if dtype.name == "bool":
        raw = raw % 2
    return raw.view(dtype).reshape(shape)


states = st.dictionaries(names, arrays(), max_size=4)
metadata = st.dictionaries(names, st.text(st.characters(codec="utf-8"), max_size=8), max_size=3)


def by_package(data: bytes) -> dict[str, tuple[str, list[int], bytes]]:
    return {
        name: (view["dtype"], view["shape"], bytes(view["data"]))
        for name, view in safetensors.deserialize(data)
    }


def by_us(path: Path) -> dict[str, tuple[str, list[int], bytes]]:
    with SafetensorsFile(path) as file:
        found = {}
        for name, header in file.headers.items():
            array = file.read(name)
            assert array.flags.c_contiguous
            assert array.flags.writeable
            assert (array.dtype.name, array.shape) == (header.dtype, header.shape)
            found[name] = (DTYPES[header.dtype].code, list(header.shape), array.tobytes())
        return found


def raw_file(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype: str = "U8", shape: Any = (1,), offsets: Any = (0, 1)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file name for the many small files of a property."""
    return tmp_path_factory.mktemp("safetensors") / "scratch.safetensors"


@given(state=states, pairs=metadata)
def test_reads_what_the_package_writes(scratch: Path, state: dict, pairs: dict) -> None:
    data = save(state, metadata=pairs or None)
    scratch.write_bytes(data)
    assert by_us(scratch) == by_package(data)
    with SafetensorsFile(scratch) as file:
        assert file.metadata == pairs
        assert all(header.same_as is None for header in file.headers.values())


VALID = save(
    {
        "down.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
        "empty": np.zeros((0, 4), np.int64),
        "scale": np.array(2.0, np.float16),
    },
    metadata={"format": "pt"},
)
TOKENS = [
    b"0", b"1", b"-1", b"24", b"-0", b"1.0", b"1e2", b"18446744073709551616", b"true", b"null",
    b'"F32"', b'"F8_E4M3"', b'"U8"', b"[]", b"{}", b'"a"', b" ", b"\n", b",", b"\xff", b"\\ud800",
    b'"data_offsets"', b'"shape"', b'"dtype"', b'"empty"', b'"__metadata__"', b"NaN",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid file with a few bytes changed anywhere."""
    data = bytearray(VALID)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        gone = draw(st.integers(0, 4))
        data[at : at + gone] = draw(st.sampled_from(TOKENS) | st.binary(max_size=4))
    return bytes(data)


@st.composite
def respelt(draw: st.DrawFn) -> bytes:
    """A valid file with words of its header changed, and a length that fits."""
    size = int.from_bytes(VALID[:8], "little")
    words = re.findall(rb'"[^"]*"|[0-9]+|[^"0-9]', VALID[8 : 8 + size])
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(words)))
        gone = draw(st.integers(0, 1))
        words[at : at + gone] = [draw(st.sampled_from(TOKENS) | st.sampled_from(words))]
    text = b"".join(words)
    return len(text).to_bytes(8, "little") + text + VALID[8 + size :]


def outcome(read: Callable[[Any], object], source: object) -> object:
    """What a reader finds; our own error itself, None for the package's."""
    try:
        return read(source)
    except CheckpointError as error:
        return error
    except safetensors.SafetensorError:
        return None


# What may stand in a refusal of a file that the package accepts.
STRICTER = (
    "occurs twice",
    "expected whole numbers",
    "2^64 - 1",
    "expected a JSON object",
    "unknown dtype",
    "cannot be read",
)


@settings(max_examples=300)
@given(data=mutated() | respelt())
def test_accepts_and_refuses_with_the_package(scratch: Path, data: bytes) -> None:
    scratch.write_bytes(data)
    expected = outcome(by_package, data)
    found = outcome(by_us, scratch)
    if isinstance(found, CheckpointError):
        assert found.hint
        assert str(scratch) in found.message
        assert expected is None or any(reason in found.message for reason in STRICTER)
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "at least 8 bytes"),
        (b"\1\0\0", "at least 8 bytes"),
        ((100_000_001).to_bytes(8, "little") + b"{}", "header should be"),
        (b"\xff" * 16, "header should be"),
        (raw_file(b""), "not JSON"),
        (raw_file(b"{"), "not JSON"),
        (raw_file(b"[" * 100_000), "not JSON"),
        (raw_file(b"[]"), "not a JSON object"),
        (raw_file(b'{"\xff":1}'), "not UTF-8"),
        (raw_file(b'{"\\ud800":1}'), "not UTF-8"),
        (raw_file(b'{"a":NaN}'), "NaN"),
        (raw_file(b'{"a":' + b"1" * 5000 + b"}"), "2^64 - 1"),
        (raw_file(b'{"a":1,"a":1}'), "'a' occurs twice"),
        (raw_file(b'{"__metadata__":{"k":"1","k":"2"}}'), "'k' occurs twice"),
        (raw_file({"__metadata__": {"k": 1}}), "strings to strings"),
        (raw_file({"__metadata__": "text"}), "strings to strings"),
        (raw_file({"a": 1}), "tensor 'a': expected a JSON object"),
        (raw_file({"a": ["U8", [1], [0, 1]]}, b"1"), "expected a JSON object"),
        (raw_file({"a": entry("XX")}, b"1"), "unknown dtype 'XX'"),
        (raw_file({"a": entry(None)}, b"1"), "unknown dtype None"),
        (raw_file({"a": entry(shape=[-1])}, b"1"), "2^64 - 1"),
        (raw_file({"a": entry(shape=[True])}, b"1"), "whole numbers"),
        (raw_file({"a": entry(shape=None)}, b"1"), "whole numbers"),
        (raw_file({"a": entry(shape=[2**63, 2, 0], offsets=[0, 0])}), "too large"),
        (raw_file({"a": entry("F64", shape=[2**60], offsets=[0, 0])}), "too large"),
        (raw_file({"a": entry(offsets=[1])}, b"1"), "[begin, end]"),
        (raw_file({"a": entry(offsets=[1, 0])}, b"1"), "[begin, end]"),
        (raw_file({"a": entry("F32")}, b"1"), "takes 4 bytes"),
        (raw_file({"a": entry("F4", [3], [0, 1])}, b"1"), "takes 1.5 bytes"),
        (raw_file({"a": entry(), "b": entry()}, b"1"), "overlaps"),
        (raw_file({"a": entry(offsets=[1, 2])}, b"12"), "leaves a hole"),
        (raw_file({"a": entry()}), "is cut off: expected 1 bytes, found 0"),
        (raw_file({"a": entry()}, b"12"), "goes on after the last tensor"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "Git LFS pointer"),
        (b"<!DOCTYPE html><html>not found</html>", "a web page"),
        (b"\x80\x04\x95\x05\0\0\0\0\0\0\0K\1.", "a pickle that torch.save did not write"),
        (b'{"reduction_factor": 16}', "a JSON text"),
        (b"data.pkl".ljust(257, b"\0") + b"ustar", "a tar archive"),
    ],
)
def test_refuses(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "adapter.safetensors"
    path.write_bytes(data)
    with pytest.raises(CheckpointError) as caught:
        SafetensorsFile(path)
    assert reason in caught.value.message
    assert str(path) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    "data",
    [
        raw_file(b"{}"),
        raw_file(b" {}  \n"),
        raw_file(b'{"__metadata__":null}'),
        raw_file({"": entry()}, b"1"),
        raw_file({"a": entry() | {"note": [1, {}]}}, b"1"),
        raw_file({"b": entry(offsets=[1, 2]), "a": entry(), "c": entry("F64", [0], [1, 1])}, b"12"),
        raw_file({"a": entry(shape=[])}, b"1"),
    ],
)
def test_accepts(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "adapter.safetensors"
    path.write_bytes(data)
    assert by_us(path) == by_package(data)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "adapter.safetensors"
    for size in range(len(VALID)):
        path.write_bytes(VALID[:size])
        with pytest.raises(CheckpointError):
            SafetensorsFile(path)


@pytest.mark.parametrize("what", ["missing", "folder"])
def test_what_is_no_file(tmp_path: Path, what: str) -> None:
    path = tmp_path / what
    if what == "folder":
        path.mkdir()
    with pytest.raises(CheckpointError, match=what):
        SafetensorsFile(path)


@pytest.mark.parametrize("code", ["F8_E4M3", "F8_E5M2", "C64", "F4"])
def test_lists_what_it_cannot_read(tmp_path: Path, code: str) -> None:
    path = tmp_path / "adapter.safetensors"
    path.write_bytes(raw_file({"w": entry(code, [16], [0, {"C64": 128, "F4": 8}.get(code, 16)])}))
    path.write_bytes(path.read_bytes() + bytes({"C64": 128, "F4": 8}.get(code, 16)))
    with SafetensorsFile(path) as file:
        dtype = file.headers["w"].dtype
        assert dtype.startswith(("float", "complex"))
        with pytest.raises(CheckpointError, match=f"'w' has dtype {dtype}"):
            file.read("w")


def test_a_shape_no_array_can_have(tmp_path: Path) -> None:
    path = tmp_path / "adapter.safetensors"
    path.write_bytes(raw_file({"w": entry(shape=[1] * 65)}, b"1"))
    with SafetensorsFile(path) as file, pytest.raises(CheckpointError, match="'w' has shape"):
        file.read("w")


def test_a_name_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "adapter.safetensors"
    path.write_bytes(VALID)
    with SafetensorsFile(path) as file, pytest.raises(KeyError, match="nowhere"):
        file.read("nowhere")


def test_a_file_cut_while_open(tmp_path: Path) -> None:
    path = tmp_path / "adapter.safetensors"
    path.write_bytes(VALID)
    with SafetensorsFile(path) as file:
        path.write_bytes(VALID[:-20])
        with pytest.raises(CheckpointError, match=r"tensor 'down\.weight' needs bytes"):
            file.read("down.weight")


def test_opening_imports_no_numpy(tmp_path: Path) -> None:
    path = tmp_path / "adapter.safetensors"
    path.write_bytes(VALID)
    code = (
        "import sys, pathlib; from xlmerge.checkpoint.tensor_file import open_tensor_file;"
        "print(len(open_tensor_file(pathlib.Path(sys.argv[1])).headers));"
        "assert not {'numpy', 'torch', 'safetensors', 'ml_dtypes'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], check=False, capture_output=True)
    assert (done.returncode, done.stdout.strip()) == (0, b"3"), done.stderr.decode()


def test_threads_read_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "adapter.safetensors"
    state = {f"t{i}": np.full((64, 64), i, np.float32) for i in range(16)}
    path.write_bytes(save(state))
    with SafetensorsFile(path) as file, ThreadPoolExecutor(8) as pool:
        for name, array in zip(state, pool.map(file.read, [*state] * 4), strict=False):
            np.testing.assert_array_equal(array, state[name])


def test_reading_costs_one_tensor(tmp_path: Path) -> None:
    size = 32 << 20
    path = tmp_path / "adapter.safetensors"
    with path.open("wb") as stream:
        stream.write(raw_file({"w": entry("U8", [size], [0, size])}))
        stream.truncate(stream.tell() + size)
    with SafetensorsFile(path) as file:
        tracemalloc.start()
        try:
            array = file.read("w")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert array.nbytes == size
    assert peak < 1.05 * size


# Writing.


def write(path: Path, state: dict[str, np.ndarray], pairs: dict[str, str] | None = None) -> bytes:
    path.unlink(missing_ok=True)
    with SafetensorsWriter(path, list(state), pairs or {}) as writer:
        for name, array in state.items():
            writer.write(name, array)
    return path.read_bytes()


@given(state=states, pairs=metadata)
def test_the_package_reads_what_is_written(scratch: Path, state: dict, pairs: dict) -> None:
    data = write(scratch, state, pairs)
    expected = {
        name: (DTYPES[array.dtype.name].code, list(array.shape), array.tobytes())
        for name, array in state.items()
    }
    assert by_package(data) == expected
    assert by_us(scratch) == expected
    with safetensors.safe_open(scratch, framework="np") as file:
        assert set(file.keys()) == set(state)
        assert (file.metadata() or {}) == pairs
    header_size = int.from_bytes(data[:8], "little")
    assert header_size % 8 == 0
    assert list(json.loads(data[8 : 8 + header_size])) == (["__metadata__"] if pairs else []) + [
        *state
    ]
    assert write(scratch, state, dict(reversed(pairs.items()))) == data


def test_room_for_the_longest_entry(tmp_path: Path) -> None:
    shape = (0, 10**8, 10**8, 99, 1, 1, 1, 1)
    state = {f"t{i}": np.empty(shape, np.uint8) for i in range(3)}
    assert by_package(write(tmp_path / "f", state))["t2"][1] == list(shape)
    with pytest.raises(ValueError, match="9 axes"):
        write(tmp_path / "g", {"t": np.zeros((1,) * 9)})
    assert not (tmp_path / "g").exists()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4).T,
        np.asfortranarray(np.arange(12).reshape(3, 4)),
        np.arange(24, dtype=np.int16)[::-2],
        np.arange(12, dtype=ml_dtypes.bfloat16).reshape(3, 4)[:, ::2],
        np.arange(6, dtype=">f4").reshape(2, 3),
        np.arange(6, dtype=">i8").reshape(2, 3).T,
        np.broadcast_to(np.float32(3), (5, 2)),
    ],
)
def test_any_memory_layout(tmp_path: Path, array: np.ndarray) -> None:
    kept = array.copy()
    little = array.astype(array.dtype.newbyteorder("<")) if array.dtype.kind in "fi" else array
    data = write(tmp_path / "f", {"w": array})
    assert by_package(data)["w"][2] == np.ascontiguousarray(little).tobytes()
    np.testing.assert_array_equal(array, kept)


def test_a_strided_array_in_several_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xlmerge.checkpoint.payload._CHUNK", 40)
    array = np.arange(143, dtype=np.float64).reshape(11, 13).T
    assert by_package(write(tmp_path / "f", {"w": array}))["w"][2] == array.tobytes()


def test_writing_costs_no_copy(tmp_path: Path) -> None:
    array = np.zeros(32 << 20, np.uint8)
    tracemalloc.start()
    try:
        with SafetensorsWriter(tmp_path / "f", ["w"], {}) as writer:
            writer.write("w", array)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_failing_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "adapter.safetensors"

    def fail() -> None:
        with SafetensorsWriter(path, ["a", "b"], {}) as writer:
            writer.write("a", np.ones(3))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not path.exists()
    incomplete = SafetensorsWriter(path, ["a", "b"], {})
    incomplete.write("a", np.ones(3))
    with pytest.raises(ValueError, match="1 announced tensors were not written: 'b'"):
        incomplete.__exit__(None, None, None)
    assert not path.exists()


def test_misuse(tmp_path: Path) -> None:
    path = tmp_path / "adapter.safetensors"
    with pytest.raises(ValueError, match="announced twice"):
        SafetensorsWriter(path, ["a", "a"], {})
    with pytest.raises(ValueError, match="cannot be named __metadata__"):
        SafetensorsWriter(path, ["__metadata__"], {})
    assert not path.exists()
    with SafetensorsWriter(path, ["a"], {}) as writer:
        with pytest.raises(ValueError, match="'c' was not announced"):
            writer.write("c", np.ones(1))
        with pytest.raises(ValueError, match="same bytes"):
            writer.alias("a", "c")
        writer.write("a", np.ones(1))
        with pytest.raises(ValueError, match="'a' is there already"):
            writer.write("a", np.ones(1))
    with pytest.raises(FileExistsError):
        SafetensorsWriter(path, ["a"], {})
    with pytest.raises(ValueError, match="dtype complex128"):
        write(tmp_path / "g", {"a": np.ones(1, complex)})
    assert not (tmp_path / "g").exists()


@pytest.mark.real
def test_real_adapters(shared_data: Path) -> None:
    files = sorted((shared_data / "adapters").glob("*/*.safetensors"))
    assert files
    for path in files:
        assert by_us(path) == by_package(path.read_bytes())
