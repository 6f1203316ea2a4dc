"""Folders are opened as the libraries themselves would open them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xlmerge.checkpoint.folder
from builders import KINDS, document, edit_config, make, tensor_file, tensors
from xlmerge.checkpoint.folder import open_adapter_folder
from xlmerge.errors import CheckpointError


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("container", ["bin", "safetensors"])
def test_what_a_folder_is(tmp_path: Path, kind: str, container: Any) -> None:
    path = make(tmp_path / "mine", kind, container=container, labels=3)
    with open_adapter_folder(path) as folder:
        assert folder.container == container
        assert folder.header.format == ("peft" if kind.startswith("peft") else "adapters")
        assert folder.header.base_model == "xlm-roberta-base"
        assert folder.header.name == ("" if kind.startswith("peft") else "mine")
        assert folder.unread == ()
        assert folder.document == document(path)
        stored = tensors(path)
        for key, name in folder.keys.stored.items():
            np.testing.assert_array_equal(folder.read(key), stored[name])
            assert folder.dtype(key) == "float32"
        for key in folder.header.head_tensors:
            assert folder.read(key).shape == folder.header.head_tensors[key].shape
        with pytest.raises(KeyError):
            folder.read("nothing")
    assert {file.name for file in folder.files} == {file.name for file in path.iterdir()}


def test_the_file_that_the_library_would_load(tmp_path: Path) -> None:
    """`adapters` looks for .bin first, PEFT for safetensors; the other one is named."""
    for kind, mine, other in (
        ("seq_bn", "bin", "safetensors"),
        ("peft_lora", "safetensors", "bin"),
    ):
        first = make(tmp_path / kind, kind, container=mine)
        second = make(tmp_path / f"{kind}-other", kind, container=other, seed=1)
        spare = tensor_file(second)
        (first / spare.name).write_bytes(spare.read_bytes())
        with open_adapter_folder(first) as folder:
            assert folder.container == mine
            assert folder.unread == (spare.name,)


@pytest.mark.parametrize("hidden", [0, -1, True, "8", None, 8.5])
def test_a_width_that_is_none(tmp_path: Path, hidden: Any) -> None:
    path = make(tmp_path / "a", "seq_bn")
    edit_config(path, top=True, hidden_size=hidden)
    with open_adapter_folder(path) as folder:
        assert folder.header.hidden_size is None


def test_an_empty_base_model_is_none(tmp_path: Path) -> None:
    with open_adapter_folder(make(tmp_path / "a", "seq_bn", base_model=None)) as folder:
        assert folder.header.base_model is None


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files")
@pytest.mark.parametrize("broken", ["head", "head_keys", "config", "keys", "listing", "none"])
def test_files_are_closed_on_every_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    path = make(tmp_path / "a", "seq_bn", labels=2)
    if broken == "head":
        (path / "pytorch_model_head.bin").write_bytes(b"nothing")
    if broken == "head_keys":
        (path / "head_config.json").write_text('{"name": "other"}')
    if broken == "config":
        edit_config(path, top=True, config=3)
    if broken == "keys":
        monkeypatch.setattr(xlmerge.checkpoint.folder, "canonical_adapters_keys", lambda *_: 1 / 0)
    if broken == "listing":
        monkeypatch.setattr(Path, "iterdir", lambda self: 1 / 0)
    before = open_files()
    if broken == "none":
        open_adapter_folder(path).close()
    else:
        with pytest.raises((CheckpointError, ZeroDivisionError)):
            open_adapter_folder(path)
    assert open_files() == before


def test_a_folder_that_may_not_be_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "a", "seq_bn")

    def denied(self: Path) -> Any:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(CheckpointError, match="cannot be read: Permission denied") as caught:
        open_adapter_folder(path)
    assert "check the permissions" in str(caught.value)


def test_heads_of_another_name(tmp_path: Path) -> None:
    path = make(tmp_path / "a", "seq_bn", labels=2)
    text = (path / "head_config.json").read_text().replace('"name": "a"', '"name": "b"')
    (path / "head_config.json").write_text(text)
    with pytest.raises(
        CheckpointError, match=r"belongs to a head 'a'; head_config\.json names 'b'"
    ):
        open_adapter_folder(path)
