"""The identity law: one adapter at weight 1 comes back, bit by bit, with the same settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from builders import KINDS, MODELS, config, document, make, merge, tensors

if TYPE_CHECKING:
    from pathlib import Path

# What a merge changes on purpose: a prefix that was made by an MLP is stored as itself.
FLATTENED = {"prefix"}


def by_name(folder: Path, name: str) -> dict[str, Any]:
    """Tensors with the adapter's name taken out of their keys."""
    return {key.replace(f".{name}.", "."): array for key, array in tensors(folder).items()}


def assert_same_tensors(out: Path, folder: Path) -> None:
    ours, theirs = by_name(out, out.name), by_name(folder, folder.name)
    assert sorted(ours) == sorted(theirs)
    for key, array in theirs.items():
        assert ours[key].dtype == array.dtype, key
        assert ours[key].tobytes() == array.tobytes(), key


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", sorted(set(KINDS) - FLATTENED))
@pytest.mark.parametrize("container", ["bin", "safetensors"])
def test_one_adapter_at_weight_1(tmp_path: Path, kind: str, model: str, container: Any) -> None:
    folder = make(tmp_path / "mine", kind, model=model, container=container)
    out = merge("linear", {folder: 1.0}, output=tmp_path / "out")
    assert_same_tensors(out, folder)
    assert config(out) == config(folder)
    ignored = {"name", "version"}
    theirs = {key: value for key, value in document(folder).items() if key not in ignored}
    assert {key: value for key, value in document(out).items() if key not in ignored} == theirs


@pytest.mark.parametrize("kind", sorted(set(KINDS) - FLATTENED))
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_in_every_precision(tmp_path: Path, kind: str, dtype: str) -> None:
    folder = make(tmp_path / "mine", kind, dtype=dtype)
    out = merge("linear", {folder: 1.0}, output=tmp_path / "out")
    assert_same_tensors(out, folder)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - FLATTENED))
def test_an_adapter_of_weight_0_does_not_count(tmp_path: Path, kind: str) -> None:
    first, second = (make(tmp_path / name, kind, seed=i) for i, name in enumerate("ab"))
    out = merge("linear", {first: 1.0, second: 0.0}, output=tmp_path / "out")
    assert_same_tensors(out, first)
    assert config(out) == config(first)


@pytest.mark.parametrize("kind", ["seq_bn_inv", "peft_ia3", "peft_lora_patterns"])
@pytest.mark.parametrize(
    ("method", "adapters", "parameters"),
    [
        ("task_arithmetic", {"a": 1.0}, {}),
        ("language_arithmetic", {"a": 1.0}, {}),
        ("language_arithmetic", {"a": 1.0, "b": 0.0}, {}),
        ("slerp", ["a", "b"], {"t": 0}),
        ("slerp", ["b", "a"], {"t": 1}),
    ],
)
def test_of_other_methods(
    tmp_path: Path, kind: str, method: str, adapters: Any, parameters: dict[str, Any]
) -> None:
    for seed, name in enumerate("ab"):
        make(tmp_path / name, kind, seed=seed)
    listed = (
        {tmp_path / name: weight for name, weight in adapters.items()}
        if isinstance(adapters, dict)
        else [tmp_path / name for name in adapters]
    )
    out = merge(method, listed, output=tmp_path / "out", parameters=parameters)
    assert_same_tensors(out, tmp_path / "a")
    assert config(out) == config(tmp_path / "a")


@pytest.mark.parametrize("kind", ["seq_bn_inv", "lora", "ia3", "peft_lora", "peft_ia3"])
def test_no_step_gives_the_task_back(tmp_path: Path, kind: str) -> None:
    for seed, name in enumerate("abc"):
        make(tmp_path / name, kind, seed=seed)
    roles = ("task_in_source", "reference_in_source", "reference_in_target")
    out = merge(
        "adamergex",
        roles={role: tmp_path / name for role, name in zip(roles, "abc", strict=True)},
        parameters={"t": 0},
        output=tmp_path / "out",
    )
    assert_same_tensors(out, tmp_path / "a")


@pytest.mark.parametrize("model", MODELS)
def test_a_reparametrised_prefix_is_evaluated(tmp_path: Path, model: str) -> None:
    folder = make(tmp_path / "mine", "prefix", model=model)
    out = merge("linear", {folder: 1.0}, output=tmp_path / "out")
    mlp = {key.rpartition("self_prefix.")[2]: array for key, array in tensors(folder).items()}
    hidden = np.tanh(
        mlp["wte.weight"] @ mlp["control_trans.0.weight"].T + mlp["control_trans.0.bias"]
    )
    expected = hidden @ mlp["control_trans.2.weight"].T + mlp["control_trans.2.bias"]
    written = tensors(out)
    assert len(written) == 3  # itself, and a copy a layer
    for array in written.values():
        np.testing.assert_array_equal(array, expected.reshape(-1))
    assert config(out) == {**config(folder), "flat": True}


@pytest.mark.parametrize("prefix", ["", "roberta.", "base."])
def test_the_prefix_of_the_keys_stays(tmp_path: Path, prefix: str) -> None:
    folder = make(tmp_path / "mine", "seq_bn_inv", prefix=prefix)
    out = merge("linear", {folder: 1.0}, output=tmp_path / "out")
    assert sorted(tensors(out)) == sorted(key.replace(".mine.", ".out.") for key in tensors(folder))
    assert all(key.startswith(f"{prefix}encoder.") or "invertible" in key for key in tensors(out))


def test_adapters_of_bare_and_headed_models_are_merged(tmp_path: Path) -> None:
    bare = make(tmp_path / "bare", "seq_bn_inv", prefix="")
    headed = make(tmp_path / "headed", "seq_bn_inv", seed=1)
    out = merge("linear", {bare: 0.5, headed: 0.5}, output=tmp_path / "out")
    ours, first, second = (by_name(folder, folder.name) for folder in (out, bare, headed))
    for key, array in first.items():
        np.testing.assert_allclose(ours[key], (array + second["roberta." + key]) / 2, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("head", [False, True])
def test_a_merge_of_a_merge(tmp_path: Path, kind: str, head: bool) -> None:
    """What xlmerge writes it reads as what it wrote."""
    folder = make(tmp_path / "mine", kind, labels=3 if head else 0)
    once = merge("linear", {folder: 1.0}, output=tmp_path / "one" / "out")
    twice = merge("linear", {once: 1.0}, output=tmp_path / "two" / "out")
    for file in sorted(once.iterdir()):
        if file.name not in {"xlmerge.json", "README.md"}:
            assert (twice / file.name).read_bytes() == file.read_bytes(), file.name
