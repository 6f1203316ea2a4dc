"""The record beside an output, and how a folder differs from it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import xlmerge
from builders import make, merge
from xlmerge.checkpoint.hashing import HashMemory
from xlmerge.checkpoint.provenance import differences, read_provenance, write_provenance

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    write_provenance(tmp_path, {"step": "x", "numbers": [1.5, float("inf"), {"n": float("nan")}]})
    return tmp_path


def found(folder: Path, record: Any = None) -> str:
    record = read_provenance(folder) if record is None else record
    assert record is not None
    return str(differences(folder, record, HashMemory()))


def test_what_was_written_is_intact(folder: Path) -> None:
    record = read_provenance(folder)
    assert record is not None
    assert record["numbers"] == [1.5, None, {"n": None}]
    assert sorted(record["outputs"]) == ["a.txt", "b.txt"]
    assert not differences(folder, record, HashMemory())
    assert found(folder) == ""


def test_differences(folder: Path) -> None:
    (folder / "a.txt").write_text("A")
    assert found(folder) == "a.txt was changed"
    (folder / "c.txt").touch()
    (folder / "d").mkdir()
    assert found(folder) == "a.txt was changed, c.txt, d were added"
    (folder / "b.txt").unlink()
    assert found(folder) == "a.txt was changed, c.txt, d were added, b.txt was removed"
    (folder / "b.txt").mkdir()
    assert found(folder) == "a.txt, b.txt were changed, c.txt, d were added"


@pytest.mark.parametrize(
    "outputs", [None, 3, [], {"a.txt": None}, {"a.txt": {"size": 1}}, {"../x": {"size": 1}}]
)
def test_records_of_another_form(folder: Path, outputs: Any) -> None:
    assert found(folder, {"outputs": outputs}) != ""


@pytest.mark.parametrize("text", ["", "[]", "{", "\ud800".encode("utf-8", "surrogatepass")])
def test_no_record(folder: Path, text: Any) -> None:
    (folder / "xlmerge.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert read_provenance(folder) is None


def test_the_record_of_a_merge(tmp_path: Path) -> None:
    first, second = make(tmp_path / "a", "seq_bn_inv"), make(tmp_path / "b", "seq_bn_inv", seed=1)
    out = merge("linear", {first: 0.25, second: {"invertible": 1, "*": 0.5}}, output=tmp_path / "o")
    record = json.loads((out / "xlmerge.json").read_text())
    assert record["step"] == "o"
    assert record["library"] == "adapters"
    assert record["base_model"] == "xlm-roberta-base"
    assert record["method"]["name"] == "linear"
    assert record["method"]["plugin"] == "standard"
    assert record["method"]["distribution"] == "xlmerge"
    assert [each["name"] for each in record["architectures"]] == ["bottleneck", "nice"]
    assert [each["plugin"] for each in record["architectures"]] == ["standard", "madx"]
    assert [item["weight"] for item in record["inputs"]] == [0.25, {"invertible": 1.0, "*": 0.5}]
    for item, folder in zip(record["inputs"], (first, second), strict=True):
        assert item["reference"] == str(folder)
        assert set(item["files"]) == {"adapter_config.json", "pytorch_adapter.bin"}
        for name, known in item["files"].items():
            assert known["size"] == (folder / name).stat().st_size
            assert len(known["sha256"]) == 64
    assert record["versions"]["xlmerge"] == xlmerge.__version__
    assert record["heads"] == "none"
    assert record["report"]["parameters"] == 16
    assert set(record["outputs"]) == {"README.md", "adapter_config.json", "pytorch_adapter.bin"}
