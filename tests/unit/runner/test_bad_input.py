"""Bad input: a clear error, nothing left behind, inputs untouched."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from builders import (
    Recorder,
    edit_config,
    edit_tensors,
    make,
    merge,
    merge_error,
    run,
    snapshot,
    tensor_file,
    write_recipe,
)
from xlmerge.errors import RecipeError, XLMergeError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def refused(folder: Path, *words: str, kind: str = "seq_bn") -> str:
    """Merge two adapters, by a call and by a recipe; both must say the words and change nothing."""
    if not (folder / "first").exists():
        make(folder / "first", kind)
    before = snapshot(folder)
    said = merge_error(
        "linear", {folder / "first": 0.5, folder / "second": 0.5}, output=folder / "out"
    )
    assert snapshot(folder) == before
    step = {"merge": "linear", "adapters": {"first": 0.5, "second": 0.5}}
    recipe = write_recipe(folder, {"first": "./first", "second": "./second"}, {"out": step})
    before = snapshot(folder)
    with pytest.raises(XLMergeError) as caught:
        run(recipe)
    for word in words:
        assert word in str(caught.value)
    if isinstance(caught.value, RecipeError):
        assert all("recipe.yaml:" in str(problem) for problem in caught.value.problems)
    else:  # found while reading numbers, which no check does
        assert str(caught.value).startswith("out: ")
    assert snapshot(folder) == before
    assert not (folder / "recipe").exists()
    for word in words:
        assert word in said, said
    return said


# --- files ------------------------------------------------------------------------------------


def test_missing_folder(tmp_path: Path) -> None:
    refused(tmp_path, "no such folder")


def test_misspelt_folder(tmp_path: Path) -> None:
    make(tmp_path / "secnd", "seq_bn")
    refused(tmp_path, "no such folder", "did you mean secnd?")


def test_a_file_instead_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "second").write_text("hello")
    refused(tmp_path, "second: expected an adapter folder, but it is a file")


def test_no_adapter_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    refused(tmp_path, "adapter_config.json is missing")


def test_the_adapter_lies_below(tmp_path: Path) -> None:
    make(tmp_path / "second" / "default", "seq_bn")
    refused(tmp_path, "adapter_config.json is missing", "lies in a folder below", "second/default")


def test_no_tensors(tmp_path: Path) -> None:
    tensor_file(make(tmp_path / "second", "seq_bn")).unlink()
    refused(tmp_path, "no tensors", "adapter.safetensors or pytorch_adapter.bin")


@pytest.mark.parametrize("container", ["bin", "safetensors"])
@pytest.mark.parametrize("kept", [0, 1, 7, 20, 300, -1])
def test_truncated(tmp_path: Path, container: Any, kept: int) -> None:
    file = tensor_file(make(tmp_path / "second", "seq_bn", container=container))
    file.write_bytes(file.read_bytes()[:kept])
    refused(tmp_path, file.name)


@pytest.mark.parametrize("container", ["bin", "safetensors"])
def test_corrupt(tmp_path: Path, container: Any) -> None:
    file = tensor_file(make(tmp_path / "second", "seq_bn", container=container))
    content = bytearray(file.read_bytes())
    content[12:40] = b"\xff" * 28
    file.write_bytes(content)
    refused(tmp_path, file.name)


class Code:
    def __reduce__(self) -> Any:
        return os._exit, (13,)  # nobody would miss that


@pytest.mark.parametrize("form", ["plain", "zip"])
def test_a_pickle_with_code(tmp_path: Path, form: str) -> None:
    file = tensor_file(make(tmp_path / "second", "seq_bn"))
    payload = pickle.dumps({"weight": Code()}, protocol=2)
    if form == "plain":
        file.write_bytes(payload)
    else:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("archive/data.pkl", payload)
            archive.writestr("archive/version", "3\n")
    refused(tmp_path, file.name)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "cannot be read as JSON"),
        ("{", "cannot be read as JSON"),
        ("[]", "expected a JSON object, found list"),
        ('{"config": {}, "config": {}}', "the key 'config' stands there twice"),
        ('{"config": {"scaling": NaN}}', "NaN is no number of JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ('{"a": 1}', "neither `peft_type` (PEFT) nor `config` (adapters)"),
        ('{"config": "pfeiffer"}', "expected a mapping, found 'pfeiffer'"),
        ('{"config": null}', "expected a mapping, found None"),
        ('{"peft_type": "LORA"}', "found pytorch_adapter.bin, which this library does not read"),
        ('{"config": {"leave_out": 5}}', "second"),
        ('{"config": {"reduction_factor": "many"}}', "second"),
    ],
)
def test_configurations(tmp_path: Path, text: str, word: str) -> None:
    folder = make(tmp_path / "second", "seq_bn")
    (folder / "adapter_config.json").write_text(text)
    refused(tmp_path, word)


def test_a_configuration_that_is_no_text(tmp_path: Path) -> None:
    folder = make(tmp_path / "second", "seq_bn")
    (folder / "adapter_config.json").write_bytes(b"\xff\xfe\x00{")
    refused(tmp_path, "cannot be read as JSON")


def test_a_head_without_tensors(tmp_path: Path) -> None:
    folder = make(tmp_path / "second", "seq_bn", labels=2)
    (folder / "pytorch_model_head.bin").unlink()
    refused(tmp_path, "head_config.json is there, but no tensors", "pytorch_model_head.bin")


def test_tensors_of_nobody(tmp_path: Path) -> None:
    folder = make(tmp_path / "second", "seq_bn")
    key = "roberta.encoder.layer.0.output.adapters.second.gate.weight"
    edit_tensors(folder, lambda arrays: {**arrays, key: np.zeros((1, 8), "f4")})
    refused(tmp_path, "1 of 9 tensors are covered by no architecture", "gate.weight")


def test_a_setting_of_nobody(tmp_path: Path) -> None:
    edit_config(make(tmp_path / "second", "seq_bn"), magic=3)
    refused(tmp_path, "no architecture understands the setting magic: 3")


def test_two_adapters_in_one_file(tmp_path: Path) -> None:
    folder = make(tmp_path / "second", "seq_bn")
    edit_tensors(
        folder,
        lambda arrays: arrays | {k.replace(".second.", ".two."): a for k, a in arrays.items()},
    )
    refused(tmp_path, "two adapter names", "'second'", "'two'")


def test_nothing_but_a_head(tmp_path: Path) -> None:
    for name in ("first", "second"):
        folder = make(tmp_path / name, "peft_lora", labels=2)
    edit_tensors(folder, lambda arrays: {k: a for k, a in arrays.items() if "classifier" in k})
    refused(tmp_path, "nothing but a prediction head")


# --- adapters that do not fit -----------------------------------------------------------------


def without(*words: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda arrays: {
        key: array for key, array in arrays.items() if not any(word in key for word in words)
    }


def test_another_key_set(tmp_path: Path) -> None:
    make(tmp_path / "first", "lora")
    edit_tensors(make(tmp_path / "second", "lora", seed=1), without("attention.self.value"))
    refused(
        tmp_path,
        "first has parameters that second has not: encoder.layer.0.attention.self.value, encoder",
    )


def test_other_shapes(tmp_path: Path) -> None:
    make(tmp_path / "first", "peft_prefix")
    make(tmp_path / "second", "peft_prefix", num_virtual_tokens=4, seed=1)
    refused(tmp_path, "num_virtual_tokens", "first has 3, second has 4")


def test_shapes_of_equal_meaning(tmp_path: Path) -> None:
    make(tmp_path / "first", "peft_lora")
    wide = make(tmp_path / "second", "peft_lora", seed=1)

    def widen(arrays: dict[str, Any]) -> dict[str, Any]:
        return {
            key: np.concatenate([array, array]) if "lora_B" in key else array
            for key, array in arrays.items()
        }

    edit_tensors(wide, widen)
    refused(
        tmp_path,
        "encoder.layer.0.attention.self.query: first has shape (8, 8), second has (16, 8) "
        "(and 3 more)",
    )


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        (
            {"non_linearity": "gelu"},
            "bottleneck.non_linearity: first has 'relu', second has 'gelu'",
        ),
        ({"original_ln_before": False}, "original_ln_before: first has True, second has False"),
        ({"residual_before_ln": "post_add"}, "residual_before_ln"),
        ({"scaling": 2.0}, "scaling: first has 1.0, second has 2.0"),
        ({"is_parallel": True}, "is_parallel"),
        ({"leave_out": [1]}, "leave_out: first has [], second has [1]"),
        ({"reduction_factor": 4}, "reduction_factor: first has 2, second has 4"),
    ],
)
def test_other_meanings(tmp_path: Path, setting: dict[str, Any], found: str) -> None:
    """Shapes alone would not tell most of these."""
    make(tmp_path / "second", "seq_bn", seed=1, **setting)
    refused(tmp_path, found)


def test_another_size_of_the_invertible_part(tmp_path: Path) -> None:
    make(tmp_path / "first", "seq_bn_inv")
    make(tmp_path / "second", "seq_bn_inv", seed=1, inv_adapter_reduction_factor=4)
    refused(tmp_path, "inv_adapter_reduction_factor: first has 2, second has 4")


def test_a_lost_invertible_part(tmp_path: Path) -> None:
    make(tmp_path / "first", "seq_bn_inv")
    make(tmp_path / "second", "seq_bn", seed=1)
    refused(
        tmp_path,
        "first is bottleneck + nice, second is bottleneck",
        "second has lost, or never had, its invertible part",
    )


def test_a_declared_part_that_is_not_there(tmp_path: Path) -> None:
    edit_tensors(make(tmp_path / "second", "seq_bn_inv"), without("invertible"))
    refused(tmp_path, "declares an invertible adapter (nice)", kind="seq_bn_inv")


def test_another_kind(tmp_path: Path) -> None:
    make(tmp_path / "second", "lora")
    refused(tmp_path, "first is bottleneck, second is lora")


def test_another_library(tmp_path: Path) -> None:
    make(tmp_path / "first", "lora")
    make(tmp_path / "second", "peft_lora")
    refused(tmp_path, "first is a folder of adapters, second of peft")


def test_another_base_model(tmp_path: Path) -> None:
    make(tmp_path / "second", "seq_bn", seed=1, base_model="roberta-base")
    refused(
        tmp_path,
        "first was trained on 'xlm-roberta-base', second on 'roberta-base'",
        "base_model_aliases: [",
    )


def test_another_model_type(tmp_path: Path) -> None:
    make(tmp_path / "second", "seq_bn", seed=1, model="bert", base_model="xlm-roberta-base")
    refused(tmp_path, "different model type", "bert", "xlm-roberta")


# --- base models by name ----------------------------------------------------------------------


def test_aliases_by_name(tmp_path: Path) -> None:
    one = make(tmp_path / "one", "seq_bn", base_model="mine/copy")
    two = make(tmp_path / "two", "seq_bn", seed=1)
    said = merge_error("linear", {one: 0.5, two: 0.5}, output=tmp_path / "out")
    assert "`base_model: mine/copy` and `base_model_aliases: [xlm-roberta-base]`" in said
    out = merge(
        "linear",
        {one: 0.5, two: 0.5},
        output=tmp_path / "out",
        base_model="FacebookAI/xlm-roberta-base",
        base_model_aliases=["mine/copy"],
    )
    document = json.loads((out / "adapter_config.json").read_text())
    assert document["model_name"] == "FacebookAI/xlm-roberta-base"


def test_the_recipes_base_model_decides(tmp_path: Path) -> None:
    one, two = (make(tmp_path / name, "peft_lora", seed=len(name)) for name in ("one", "three"))
    said = merge_error(
        "linear", {one: 0.5, two: 0.5}, output=tmp_path / "out", base_model="bert-base-cased"
    )
    assert said.count("the recipe's base model is 'bert-base-cased'") == 2


def test_a_base_model_that_nobody_names_is_warned_about(tmp_path: Path) -> None:
    one = make(tmp_path / "one", "seq_bn", base_model=None)
    heard = Recorder()
    merge("linear", {one: 1.0}, output=tmp_path / "out", listener=heard)
    assert heard.warnings == ["one: the folder does not say which base model it was trained on"]
    heard = Recorder()
    merge("linear", {one: 1.0}, output=tmp_path / "o2", listener=heard, base_model="x/y")
    assert heard.warnings == []


# --- one adapter several times ----------------------------------------------------------------


def test_one_folder_twice_is_warned_about(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", "seq_bn")
    (tmp_path / "link").symlink_to(folder)
    for other in (tmp_path / "link", tmp_path / "x" / ".." / "a", folder):
        (tmp_path / "x").mkdir(exist_ok=True)
        heard = Recorder()
        out = merge(
            "linear",
            [folder, other],
            weights=[0.5, 0.5],
            output=tmp_path / "out",
            listener=heard,
            force=True,
        )
        assert any("are one folder" in warning for warning in heard.warnings)
        shutil.rmtree(out)


def test_identical_content_is_warned_about(tmp_path: Path) -> None:
    one, two = (make(tmp_path / name, "seq_bn", name="same") for name in ("one", "two"))
    heard = Recorder()
    merge("linear", {one: 0.5, two: 0.5}, output=tmp_path / "out", listener=heard)
    assert heard.warnings == ["one and two hold identical tensors"]
    record = json.loads((tmp_path / "out" / "xlmerge.json").read_text())
    assert record["report"]["warnings"] == heard.warnings
    heard = Recorder()
    merge("linear", {one: 0.5, two: 0.5}, output=tmp_path / "out", listener=heard)
    assert heard.warnings == ["one and two hold identical tensors"]  # also when up to date


def test_other_files_are_named_and_not_carried(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", "seq_bn")
    (folder / "optimizer.pt").write_bytes(b"x")
    (folder / "notes").mkdir()
    heard = Recorder()
    out = merge("linear", {folder: 1.0}, output=tmp_path / "out", listener=heard)
    assert heard.warnings == ["a: not read and not carried over: notes, optimizer.pt"]
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "adapter_config.json",
        "pytorch_adapter.bin",
        "xlmerge.json",
    ]
