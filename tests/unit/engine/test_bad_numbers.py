"""Numbers that no adapter should hold, and results that no file can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from builders import KINDS, edit_tensors, make, merge, merge_error, snapshot, tensors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def last_key(arrays: dict[str, Any]) -> str:
    return [key for key in arrays if "classifier" not in key][-1]


def put(value: float, head: bool = False) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A change that writes one number into the last tensor."""

    def change(arrays: dict[str, Any]) -> dict[str, Any]:
        key = (
            next(key for key in arrays if "classifier" in key or "heads" in key)
            if head
            else (last_key(arrays))
        )
        arrays[key].flat[0] = value
        return arrays

    return change


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"prefix", "prefix_flat"}))
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(tmp_path: Path, kind: str, value: float) -> None:
    good, bad = make(tmp_path / "good", kind), make(tmp_path / "bad", kind, seed=1)
    edit_tensors(bad, put(value))
    before = snapshot(tmp_path)
    said = merge_error("linear", {good: 0.5, bad: 0.5}, output=tmp_path / "out")
    for word in ("bad (", "1 of ", "NaN or infinite", "->"):
        assert word in said
    assert snapshot(tmp_path) == before


def test_a_prefix_that_is_not_finite(tmp_path: Path) -> None:
    bad = make(tmp_path / "bad", "prefix_flat")
    edit_tensors(bad, lambda arrays: {k: a * np.float32(np.nan) for k, a in arrays.items()})
    assert "96 of 96 numbers are NaN" in merge_error("linear", {bad: 1.0}, output=tmp_path / "out")


def test_copies_that_differ(tmp_path: Path) -> None:
    bad = make(tmp_path / "bad", "prefix_flat")
    edit_tensors(bad, put(9.0))
    said = merge_error("linear", {bad: 1.0}, output=tmp_path / "out")
    assert "should hold the same numbers and do not" in said


@pytest.mark.parametrize("kind", ["seq_bn", "peft_lora", "peft_ia3"])
@pytest.mark.parametrize("head", ["from bad", "mean"])
def test_a_head_that_is_not_finite(tmp_path: Path, kind: str, head: str) -> None:
    good, bad = (make(tmp_path / n, kind, seed=len(n), labels=3) for n in ("good", "bad"))
    edit_tensors(bad, put(np.nan, head=True), head=kind == "seq_bn")
    said = merge_error("linear", {good: 0.5, bad: 0.5}, heads=head, output=tmp_path / "out")
    assert "NaN or infinite" in said
    merge("linear", {good: 0.5, bad: 0.5}, heads="from good", output=tmp_path / "out")


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint8", "bool"])
def test_what_are_no_floating_point_numbers(tmp_path: Path, dtype: str) -> None:
    good, bad = make(tmp_path / "good", "peft_lora"), make(tmp_path / "bad", "peft_lora", seed=1)
    edit_tensors(bad, lambda arrays: {k: a.astype(dtype) for k, a in arrays.items()})
    said = merge_error("linear", {good: 0.5, bad: 0.5}, output=tmp_path / "out")
    for word in ("bad:", f"is stored as {dtype} (and 7 more)", "expected float16", "unquantised"):
        assert word in said


def test_different_precisions(tmp_path: Path) -> None:
    half = make(tmp_path / "half", "lora", dtype="float16")
    full = make(tmp_path / "full", "lora", seed=1)
    said = merge_error("linear", {half: 0.5, full: 0.5}, output=tmp_path / "out")
    for word in ("full is stored as float32, half as float16", "lora_A", "`dtype: float32`"):
        assert word in said
    out = merge("linear", {half: 0.5, full: 0.5}, dtype="float32", output=tmp_path / "out")
    assert {array.dtype.name for array in tensors(out).values()} == {"float32"}


def test_one_factor_of_another_precision(tmp_path: Path) -> None:
    """Not only the first tensor of a bundle is looked at."""
    mixed, full = make(tmp_path / "mixed", "lora"), make(tmp_path / "full", "lora", seed=1)
    edit_tensors(
        mixed,
        lambda arrays: {k: a.astype("f2") if "lora_B" in k else a for k, a in arrays.items()},
    )
    said = merge_error("linear", {mixed: 0.5, full: 0.5}, output=tmp_path / "out")
    assert "lora_B: full is stored as float32, mixed as float16" in said


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
@pytest.mark.parametrize("container", ["bin", "safetensors"])
@pytest.mark.parametrize("kind", ["seq_bn_inv", "peft_lora", "prefix"])
def test_precision_and_container_asked_for(
    tmp_path: Path, dtype: str, container: Any, kind: str
) -> None:
    folder = make(tmp_path / "a", kind)
    exact = merge("linear", {folder: 0.5}, output=tmp_path / "exact" / "out")
    out = merge("linear", {folder: 0.5}, output=tmp_path / "out", dtype=dtype, format=container)
    [file] = [p.name for p in out.iterdir() if p.suffix in {".bin", ".safetensors"}]
    names = {
        "bin": ("pytorch_adapter.bin", "adapter_model.bin"),
        "safetensors": ("adapter.safetensors", "adapter_model.safetensors"),
    }
    assert file == names[container][kind == "peft_lora"]
    theirs = tensors(exact)
    for key, array in tensors(out).items():
        assert array.dtype.name == dtype
        np.testing.assert_allclose(array.astype("f8"), theirs[key], rtol=1e-2, atol=1e-3)


def test_too_large_for_half_precision(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", "seq_bn", dtype="float16")
    said = merge_error("linear", {folder: 1e6}, output=tmp_path / "out")
    for word in ("out: encoder.layer", "is too large for float16", "`dtype: float32`"):
        assert word in said
    merge("linear", {folder: 1e6}, dtype="bfloat16", output=tmp_path / "out")


@pytest.mark.parametrize("kind", ["seq_bn", "peft_lora", "peft_ia3"])
def test_too_large_for_anything(tmp_path: Path, kind: str) -> None:
    folder = make(tmp_path / "a", kind)
    said = merge_error("linear", {folder: 1e300}, output=tmp_path / "out")
    assert said.count("out: ") == 1
    assert "not finite" in said or "is too large for float32" in said


def test_identical_references_in_two_folders(tmp_path: Path) -> None:
    task = make(tmp_path / "task", "lora", seed=5)
    for container in ("bin", "safetensors"):
        make(tmp_path / container, "lora", container=container)
    roles = {
        "task_in_source": task,
        "reference_in_source": tmp_path / "bin",
        "reference_in_target": tmp_path / "safetensors",
    }
    said = merge_error("adamergex", roles=roles, output=tmp_path / "out")
    for word in ("reference_in_source (bin) and reference_in_target (safetensors)", "identical"):
        assert word in said


def test_inputs_are_never_written_to(tmp_path: Path) -> None:
    folders = [make(tmp_path / name, "seq_bn_inv", seed=i) for i, name in enumerate("abc")]
    for folder in folders:
        for file in folder.iterdir():
            file.chmod(0o444)
        folder.chmod(0o555)
    before = snapshot(tmp_path)
    for number, method in enumerate(("ties", "slerp")):
        out = merge(method, folders[: 3 - number], output=tmp_path / f"out{number}")
        assert out.is_dir()
    after = snapshot(tmp_path)
    assert {name: after[name] for name in before} == before
    for folder in folders:
        folder.chmod(0o755)
