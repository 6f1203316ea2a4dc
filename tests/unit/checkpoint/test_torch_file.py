"""Files of ``torch.save``: torch.load is the twin, for values; for refusals the list is longer."""

from __future__ import annotations

import io
import itertools
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlmerge.checkpoint.torch_file import TorchFile, looks_like_torch
from xlmerge.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.libraries

FLOATS = ["float64", "float32", "float16", "bfloat16"]
DTYPES = [*FLOATS, "int64", "int32", "int16", "int8", "uint8", "bool"]
FORMATS = {"zip": True, "legacy": False}


def saved(value: object, layout: str = "zip") -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=FORMATS[layout])
    return buffer.getvalue()


def bits(tensor: Any) -> tuple[str, tuple[int, ...], bytes]:
    tensor = tensor.detach().clone(memory_format=torch.contiguous_format)
    raw = tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
    return str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape), raw


def by_us(path: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    with TorchFile(path) as file:
        assert file.metadata == {}
        found = {}
        for name, header in file.headers.items():
            array = file.read(name)
            assert array.flags.c_contiguous
            assert array.flags.writeable
            assert (array.dtype.name, array.shape) == (header.dtype, header.shape)
            found[name] = (header.dtype, header.shape, array.tobytes())
        return found


def by_torch(path: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    return {name: bits(tensor) for name, tensor in torch.load(path, weights_only=True).items()}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file name for the many small files of a property."""
    return tmp_path_factory.mktemp("torch") / "scratch.bin"


@st.composite
def views(draw: st.DrawFn) -> Any:
    """A tensor of any dtype, often strided or inside a larger storage."""
    dtype = getattr(torch, draw(st.sampled_from(DTYPES)))
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    tensor = torch.randint(0, 2 if dtype is torch.bool else 100, shape).to(dtype)
    for axis, length in enumerate(shape):
        change = draw(st.sampled_from(["none", "none", "narrow", "step", "swap", "index"]))
        if change == "narrow" and length:
            tensor = tensor.narrow(axis, draw(st.integers(0, length - 1)), 1)
        elif change == "step":
            tensor = tensor[(slice(None),) * axis + (slice(None, None, 2),)]
        elif change == "swap":
            tensor = tensor.transpose(axis, 0)
    return tensor


@pytest.mark.parametrize("layout", FORMATS)
@given(
    state=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=9), views(), max_size=4)
)
def test_reads_what_torch_writes(scratch: Path, layout: str, state: dict[str, Any]) -> None:
    scratch.write_bytes(saved(state, layout))
    assert looks_like_torch(scratch)
    assert by_us(scratch) == by_torch(scratch)


@pytest.mark.parametrize("layout", FORMATS)
def test_what_state_dicts_hold(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "adapter.bin"
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    state = module.state_dict()
    assert state._metadata
    state["parameter"] = torch.nn.Parameter(torch.ones(2))
    path.write_bytes(saved(state, layout))
    assert by_us(path) == by_torch(path)
    assert list(by_us(path)) == list(state)


@pytest.mark.parametrize("layout", FORMATS)
def test_shared_tensors_are_told(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "adapter.bin"
    one = torch.arange(6.0)
    state = {"a": one, "view": one[2:], "b": one, "matrix": one.reshape(2, 3), "c": one.detach()}
    path.write_bytes(saved(state | {"other": one.clone()}, layout))
    with TorchFile(path) as file:
        same = {name: header.same_as for name, header in file.headers.items() if header.same_as}
    assert same == {"b": "a", "c": "a"}
    assert by_us(path) == by_torch(path)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("layout", FORMATS)
def test_every_binary_protocol(tmp_path: Path, layout: str, protocol: int) -> None:
    path = tmp_path / "adapter.bin"
    state = {"w": torch.nn.Parameter(torch.ones(2, 3)), "b": torch.arange(70_000)}
    torch.save(
        state,
        path,
        pickle_protocol=protocol,
        _use_new_zipfile_serialization=FORMATS[layout],
    )
    assert looks_like_torch(path)
    assert by_us(path) == {name: bits(tensor) for name, tensor in state.items()}


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"state_dict": {"w": torch.ones(1)}, "epoch": 3}, "'state_dict' holds a dictionary"),
        ({"w": torch.ones(1), "epoch": 3}, "'epoch' holds a int"),
        ({"w": [torch.ones(1)]}, "'w' holds a list"),
        ([torch.ones(1)], "found a list"),
        (torch.ones(1), "found a tensor"),
        ({1: torch.ones(1)}, "key of type int"),
        ({"w": torch.eye(3).to_sparse()}, "_rebuild_sparse_tensor"),
        ({"w": torch.ones(2, device="meta")}, "_rebuild_meta_tensor"),
        ({"w": torch.ones(2, dtype=torch.complex64)}, "torch.ComplexFloatStorage"),
        ({"w": torch.ones(2).to(torch.float8_e4m3fn)}, "_rebuild_tensor_v3"),
        ({"w": torch.ones(2, dtype=torch.uint16)}, "_rebuild_tensor_v3"),
        ({"w": torch._neg_view(torch.ones(2))}, "lazy negative"),
        (torch.nn.Linear(1, 1), "torch.nn.modules.linear.Linear"),
        ({"w": np.ones(1)}, "numpy"),
        ({"w": torch.device("cpu")}, "torch.device"),
    ],
)
def test_refuses_what_is_no_plain_tensor(
    tmp_path: Path, layout: str, value: object, reason: str
) -> None:
    path = tmp_path / "adapter.bin"
    path.write_bytes(saved(value, layout))
    with pytest.raises(CheckpointError) as caught:
        TorchFile(path)
    assert reason in caught.value.message
    assert str(path) in caught.value.message
    assert caught.value.hint


class Attack:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('code was run')",)


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("where", ["top", "value", "attribute"])
def test_never_runs_code(tmp_path: Path, layout: str, where: str) -> None:
    path = tmp_path / "adapter.bin"
    state: Any = OrderedDict(w=torch.ones(1))
    if where == "top":
        state = Attack()
    elif where == "value":
        state["x"] = Attack()
    else:
        state._metadata = Attack()
    path.write_bytes(saved(state, layout))
    with pytest.raises(CheckpointError, match=r"builtins\.exec.*would run code"):
        TorchFile(path)


# The zip container.


def rezipped(data: bytes, **changed: bytes | None) -> bytes:
    """The archive with entries (below its folder) replaced, added, or (None) left out."""
    buffer = io.BytesIO()
    new = {name.replace("__", "/"): content for name, content in changed.items()}
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as archive:
        names = {name: old.read(name) for name in old.namelist()}
        names |= {f"archive/{name}": content for name, content in new.items()}
        for name, content in names.items():
            if content is not None:
                archive.writestr(name, content)
    return buffer.getvalue()


STATE = {"w": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.bfloat16)}
ZIP = saved(STATE)
LEGACY = saved(STATE, "legacy")


def test_compressed_entries(tmp_path: Path) -> None:
    path = tmp_path / "adapter.bin"
    state = {"w": torch.zeros(100, 10), "part": torch.arange(100)[7:9]}
    with (
        zipfile.ZipFile(io.BytesIO(saved(state))) as old,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in old.namelist():
            archive.writestr(name, old.read(name))
    assert by_us(path) == {name: bits(tensor) for name, tensor in state.items()}
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("archive/data/1").header_offset + 45
    path.write_bytes(data[:start] + bytes(byte ^ 0x55 for byte in data[start:]))
    with pytest.raises(CheckpointError):
        by_us(path)
    path.write_bytes(data[: start + 20] + b"\x55" + data[start + 21 :])
    with TorchFile(path) as file, pytest.raises(CheckpointError, match="tensor 'part'"):
        file.read("part")


def test_big_endian(tmp_path: Path) -> None:
    path = tmp_path / "adapter.bin"
    storages = {
        "data__0": STATE["w"].numpy().astype(">f4").tobytes(),
        "data__1": STATE["b"].view(torch.int16).numpy().astype(">i2").tobytes(),
    }
    path.write_bytes(rezipped(ZIP, byteorder=b"big", **storages))
    assert by_us(path) == by_torch(path) == {name: bits(tensor) for name, tensor in STATE.items()}


def test_archives_from_before_the_byteorder_entry(tmp_path: Path) -> None:
    path = tmp_path / "adapter.bin"
    path.write_bytes(rezipped(ZIP, byteorder=None))
    assert by_us(path) == by_torch(path)


def test_archives_without_checksums(tmp_path: Path) -> None:
    path = tmp_path / "adapter.bin"
    torch.serialization.set_crc32_options(compute_crc32=False)
    try:
        torch.save(STATE, path)
    finally:
        torch.serialization.set_crc32_options(compute_crc32=True)
    assert by_us(path) == by_torch(path)


def test_a_wrong_checksum_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "adapter.bin"
    at = ZIP.index(STATE["w"].numpy().tobytes())
    path.write_bytes(ZIP[:at] + b"\1" + ZIP[at + 1 :])
    with TorchFile(path) as file:
        with pytest.raises(CheckpointError, match="'w' has a wrong checksum"):
            file.read("w")
        assert file.read("b").shape == (2,)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (rezipped(ZIP, byteorder=b"middle"), "byte order 'middle'"),
        (rezipped(ZIP, version=b"11\n"), "version '11'"),
        (rezipped(ZIP, version=b"\xff"), "version"),
        (rezipped(ZIP, version=b"3" * 100), "expected at most 64"),
        (rezipped(ZIP, data__0=None), "'data/0' of the archive is missing"),
        (rezipped(ZIP, data__0=b"short"), "should have 24 bytes"),
        (rezipped(ZIP, **{"data.pkl": None}), "not one of torch's"),
        (rezipped(ZIP, **{"constants.pkl": b""}), "TorchScript"),
        (rezipped(ZIP, **{"data.pkl": b""}), "cut off"),
        (rezipped(ZIP).replace(b"archive/data/1", b"archive/data/0"), "holds an entry twice"),
        (rezipped(ZIP).replace(b"archive/", b"other///"), "not one of torch's"),
        (rezipped(ZIP)[:-30], "cut off or damaged"),
        (b"PK\x03\x04", "cut off or damaged"),
    ],
    ids=itertools.count(),  # the bytes hold the time of day, and workers have to agree on the names
)
def test_refuses_other_archives(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "adapter.bin"
    path.write_bytes(data)
    assert looks_like_torch(path)
    with pytest.raises(CheckpointError) as caught:
        TorchFile(path)
    assert reason in caught.value.message
    assert caught.value.hint


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "adapter.bin"
    with (
        zipfile.ZipFile(io.BytesIO(ZIP)) as old,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in old.namelist():
            big = name.endswith("data.pkl")
            archive.writestr(name, b"(" * (65 << 20) if big else old.read(name))
    with pytest.raises(CheckpointError, match="expected at most"):
        TorchFile(path)


def reference(count: object = 4, key: object = "0", kind: object = "storage") -> bytes:
    """The persistent id of a storage of floats, as pickle instructions."""
    parts = [pickle.dumps(part, 2)[2:-1] for part in (kind, key, "cpu", count)]
    return b"(" + parts[0] + b"ctorch\nFloatStorage\n" + b"".join(parts[1:]) + b"tQ"


def tensor(*arguments: object, storage: bytes | None = None) -> bytes:
    """A pickle of one tensor made of a storage of four floats."""
    rest = b"".join(pickle.dumps(argument, 2)[2:-1] for argument in arguments)
    return (
        b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n("
        + (storage or reference())
        + rest
        + b"tRs."
    )


FOUR = saved({"w": torch.arange(4.0)})


@pytest.mark.parametrize(
    ("offset", "size", "stride", "fine"),
    [
        (0, (4,), (1,), True),
        (3, (1,), (1,), True),
        (1, (3,), (0,), True),
        (0, (2, 2), (2, 1), True),
        (0, (2, 2), (1, 2), True),
        (0, (3, 1), (1, 77), True),
        (0, (), (), True),
        (0, (0, 5), (5, 1), True),
        (9, (0,), (1,), True),
        (2**70, (0,), (1,), True),
        (1, (4,), (1,), False),
        (4, (1,), (1,), False),
        (0, (2, 2), (3, 1), False),
        (0, (5,), (0,), False),
        (0, (2**40, 2**40), (0, 0), False),
        (2**70, (1,), (1,), False),
        (-1, (1,), (1,), False),
        (3, (2,), (-1,), False),
        (0, (-2,), (1,), False),
        (0, (2,), (1, 1), False),
        (0, [2], (1,), False),
        (0, (2.0,), (1,), False),
        (False, (2,), (1,), False),
        (0, (True,), (1,), False),
        (None, (2,), (1,), False),
    ],
)
def test_views_stay_inside_their_storage(
    tmp_path: Path, offset: object, size: Any, stride: Any, fine: bool
) -> None:
    path = tmp_path / "adapter.bin"
    text = tensor(offset, size, stride, False, {})
    path.write_bytes(rezipped(FOUR, **{"data.pkl": text}))
    if fine:
        expected = torch.as_strided(torch.arange(4.0), size, stride, offset if 0 not in size else 0)
        assert by_us(path)["w"] == bits(expected)
    else:
        with pytest.raises(CheckpointError):
            TorchFile(path)


@pytest.mark.parametrize(
    ("storage", "reason"),
    [
        (reference(kind="module"), "unknown form"),
        (reference(count=-4), "unknown form"),
        (reference(count=2**70), "should have"),
        (reference(count="4"), "unknown form"),
        (reference(key=0), "unknown form"),
        (reference(key="../version"), "is missing"),
        (b"X\x01\x00\x00\x00aQ", "unknown form"),
        (b"(tQ", "unknown form"),
        (b"N", "has no storage"),
        (b"ctorch\nFloatStorage\n", "has no storage"),
        (b"ctorch\nFloatStorage\n)R", "creates a storage"),
        (reference() + b"0" + reference(count=3), "instruction b'0'"),
        (b"]" + reference() + b"a" + reference(count=3), "in two ways"),
    ],
)
def test_storages_have_one_form(tmp_path: Path, storage: bytes, reason: str) -> None:
    path = tmp_path / "adapter.bin"
    text = tensor(0, (4,), (1,), False, {}, storage=storage)
    path.write_bytes(rezipped(FOUR, **{"data.pkl": text}))
    with pytest.raises(CheckpointError) as caught:
        TorchFile(path)
    assert reason in caught.value.message


# The older container.


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"\x80\x02M\xe9\x03.", b"\x80\x02M\xea\x03.", "version 1002"),
        (
            b"\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\x80?",
            b"\x05\0\0\0\0\0\0\0\0\0\0\0\0\0\x80?",
            "elements",
        ),
        (b"\x80\x02]q\x00(X", b"\x80\x02}q\x00(X", "corrupt"),
    ],
)
def test_refuses_other_streams(tmp_path: Path, old: bytes, new: bytes, reason: str) -> None:
    path = tmp_path / "adapter.bin"
    assert LEGACY.count(old) == 1
    path.write_bytes(LEGACY.replace(old, new))
    with pytest.raises(CheckpointError, match=reason):
        TorchFile(path)


def test_a_stream_that_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "adapter.bin"
    path.write_bytes(LEGACY + b"x")
    with pytest.raises(CheckpointError, match="storages end at byte"):
        TorchFile(path)


# Both.


@pytest.mark.parametrize("data", [rezipped(ZIP), LEGACY], ids=FORMATS)
def test_every_truncation_is_refused(scratch: Path, data: bytes) -> None:
    for size in range(len(data)):
        scratch.write_bytes(data[:size])
        with pytest.raises(CheckpointError):
            TorchFile(scratch)


@pytest.mark.parametrize("data", [ZIP, LEGACY], ids=FORMATS)
@settings(max_examples=200)
@given(draw=st.data())
def test_any_changed_bytes_are_read_or_refused(scratch: Path, data: bytes, draw: Any) -> None:
    changed = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 3))):
        at = draw.draw(st.integers(0, len(data) - 1))
        changed[at] = draw.draw(st.integers(0, 255))
    scratch.write_bytes(changed)
    try:
        by_us(scratch)
    except CheckpointError as error:
        assert error.hint  # noqa: PT017


def test_a_name_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "adapter.bin"
    path.write_bytes(ZIP)
    with TorchFile(path) as file, pytest.raises(KeyError, match="nowhere"):
        file.read("nowhere")


def test_opening_imports_neither_numpy_nor_torch(tmp_path: Path) -> None:
    path = tmp_path / "adapter.bin"
    path.write_bytes(ZIP)
    code = (
        "import sys, pathlib; from xlmerge.checkpoint.tensor_file import open_tensor_file;"
        "print(len(open_tensor_file(pathlib.Path(sys.argv[1])).headers));"
        "assert not {'numpy', 'torch', 'safetensors', 'ml_dtypes'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], check=False, capture_output=True)
    assert (done.returncode, done.stdout.strip()) == (0, b"2"), done.stderr.decode()


def test_threads_read_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "adapter.bin"
    state = {f"t{i}": torch.full((64, 64), float(i)) for i in range(16)}
    path.write_bytes(saved(state))
    with TorchFile(path) as file, ThreadPoolExecutor(8) as pool:
        for index, array in enumerate(pool.map(file.read, [*state] * 4)):
            assert (array == index % 16).all()


@pytest.mark.real
def test_real_adapters(shared_data: Path) -> None:
    files = sorted((shared_data / "adapters").glob("*/*.bin"))
    assert files
    for path in files:
        assert by_us(path) == by_torch(path)
