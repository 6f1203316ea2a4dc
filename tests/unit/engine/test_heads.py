"""Heads as they are written, for both libraries."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from builders import config, make, merge, tensors

if TYPE_CHECKING:
    from pathlib import Path


def head_of(folder: Path) -> dict[str, Any]:
    """The head's tensors, with neither the adapter's name nor a wrapper's in the keys."""
    if (folder / "head_config.json").exists():
        return {
            key.replace(f"heads.{folder.name}.", ""): array
            for key, array in tensors(folder, head=True).items()
        }
    return {
        key.partition("classifier.")[2]: array
        for key, array in tensors(folder).items()
        if "classifier" in key
    }


def assert_same_head(out: Path, folder: Path) -> None:
    ours, theirs = head_of(out), head_of(folder)
    assert sorted(ours) == sorted(theirs)
    assert ours
    for key, array in theirs.items():
        np.testing.assert_array_equal(ours[key], array)


KIND = pytest.mark.parametrize("kind", ["seq_bn_inv", "prefix", "peft_lora", "peft_prefix"])


@KIND
@pytest.mark.parametrize("container", ["bin", "safetensors"])
def test_one_head_is_carried_unchanged(tmp_path: Path, kind: str, container: Any) -> None:
    first = make(tmp_path / "first", kind, container=container)
    second = make(tmp_path / "second", kind, seed=1, labels=3, container=container)
    out = merge("linear", {first: 0.5, second: 0.5}, output=tmp_path / "out")
    assert_same_head(out, second)
    if kind.startswith("peft"):
        assert config(out)["task_type"] == "SEQ_CLS"
        assert config(out)["modules_to_save"] == ["classifier", "score"]
    else:
        head = json.loads((out / "head_config.json").read_text())
        assert head["name"] == "out"
        assert head["config"]["label2id"] == {"LABEL_0": 0, "LABEL_1": 1, "LABEL_2": 2}


@KIND
def test_the_head_of_one(tmp_path: Path, kind: str) -> None:
    """Not the first one, and of another size."""
    first = make(tmp_path / "first", kind, labels=5)
    second = make(tmp_path / "second", kind, seed=1, labels=2)
    weights = {first: 0.5, second: 0.5}
    out = merge("linear", weights, heads="from second", output=tmp_path / "out")
    assert_same_head(out, second)


@KIND
def test_the_mean(tmp_path: Path, kind: str) -> None:
    folders = [make(tmp_path / name, kind, seed=i, labels=3) for i, name in enumerate("abc")]
    weights = dict(zip(folders, (0.1, 0.1, 0.8), strict=True))
    out = merge("linear", weights, heads="mean", output=tmp_path / "out")
    for key, array in head_of(out).items():
        expected = np.mean([head_of(folder)[key] for folder in folders], axis=0)
        np.testing.assert_allclose(array, expected, rtol=1e-5, atol=1e-6)
        assert array.dtype == np.float32


@KIND
def test_dropped(tmp_path: Path, kind: str) -> None:
    folders = [make(tmp_path / name, kind, seed=i, labels=3) for i, name in enumerate("ab")]
    out = merge("linear", dict.fromkeys(folders, 0.5), heads="drop", output=tmp_path / "out")
    assert not head_of(out)
    assert sorted(file.suffix for file in out.iterdir()).count(".json") == 2
    if kind.startswith("peft"):
        # PEFT would otherwise put an untrained head into the model.
        assert config(out)["task_type"] is None
        assert config(out)["modules_to_save"] is None


@KIND
def test_adamergex_takes_the_tasks(tmp_path: Path, kind: str) -> None:
    roles = {
        "task_in_source": make(tmp_path / "a", kind, labels=2),
        "reference_in_source": make(tmp_path / "b", kind, seed=1, labels=5),
        "reference_in_target": make(tmp_path / "c", kind, seed=2, labels=5),
    }
    out = merge("adamergex", roles=roles, output=tmp_path / "out")
    assert_same_head(out, tmp_path / "a")


def test_the_mean_of_large_heads(tmp_path: Path) -> None:
    """Their sum would overflow."""
    from builders import edit_tensors

    folders = [make(tmp_path / name, "seq_bn", seed=i, labels=2) for i, name in enumerate("ab")]
    for folder in folders:
        edit_tensors(
            folder,
            lambda arrays: {key: np.full_like(array, 3e38) for key, array in arrays.items()},
            head=True,
        )
    out = merge("linear", dict.fromkeys(folders, 0.5), heads="mean", output=tmp_path / "out")
    for array in head_of(out).values():
        np.testing.assert_allclose(array, 3e38, rtol=1e-6)


def test_heads_keep_their_precision(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", "seq_bn", labels=2)
    out = merge("linear", {folder: 1.0}, dtype="float16", output=tmp_path / "out")
    assert {array.dtype.name for array in tensors(out).values()} == {"float16"}
    assert_same_head(out, folder)


def test_counters_of_a_module_are_carried(tmp_path: Path) -> None:
    from builders import edit_tensors

    folder = make(tmp_path / "a", "peft_lora", labels=2)
    key = "base_model.model.classifier.position_ids"
    edit_tensors(folder, lambda arrays: {**arrays, key: np.arange(3)})
    out = merge("linear", {folder: 0.5}, output=tmp_path / "out")
    np.testing.assert_array_equal(tensors(out)[key], [0, 1, 2])
