"""Adapters that are damaged, incomplete or contradict themselves: what xlmerge says of each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")

import xlmerge  # noqa: E402

from . import tiny  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _saved(kind: str, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A good adapter, its configuration and its tensors, to be spoilt."""
    model = tiny.head_model("xlmr")
    tiny.add_adapter(model, "mine", tiny.KINDS[kind](), seed=1)
    model.save_adapter(str(folder), "mine")
    config = json.loads((folder / "adapter_config.json").read_text())
    return config, torch.load(folder / "pytorch_adapter.bin", weights_only=True)


def _without(part: str) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    def spoil(_: dict[str, Any], tensors: dict[str, Any]) -> None:
        found = [key for key in tensors if part in key]
        assert found
        for key in found:
            del tensors[key]

    return spoil


def _setting(key: str, value: object) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    def spoil(config: dict[str, Any], _: dict[str, Any]) -> None:
        config["config"][key] = value

    return spoil


def _extra_tensor(_: dict[str, Any], tensors: dict[str, Any]) -> None:
    tensors["roberta.encoder.layer.0.output.adapters.mine.surprise"] = torch.ones(2)


def _wider_second_layer(_: dict[str, Any], tensors: dict[str, Any]) -> None:
    stem = "roberta.encoder.layer.2.output.adapters.mine"
    tensors[f"{stem}.adapter_down.0.weight"] = torch.ones(5, tiny.HIDDEN)
    tensors[f"{stem}.adapter_down.0.bias"] = torch.ones(5)
    tensors[f"{stem}.adapter_up.weight"] = torch.ones(tiny.HIDDEN, 5)


DAMAGE = {
    "the coupling is missing": (
        "seq_bn_inv",
        _without("invertible"),
        "declares an invertible adapter.*none of its 8 tensors",
    ),
    "half of the coupling is missing": (
        "seq_bn_inv",
        _without(".G."),
        "the invertible adapter lacks invertible_adapters.G.0.weight",
    ),
    "the coupling is of another size": (
        "seq_bn_inv",
        _setting("inv_adapter_reduction_factor", 4),
        r"F.0.weight: expected shape \(2, 8\), found \(4, 8\)",
    ),
    "a coupling that is not declared": (
        "seq_bn_inv",
        _setting("inv_adapter", None),
        "coupling networks of a NICE adapter; the configuration says `inv_adapter: None`",
    ),
    "a layer is missing": (
        "seq_bn_inv",
        _without("layer.1."),
        "no tensors for layer 1, though there are some for layer 2",
    ),
    "a layer is there that was left out": (
        "seq_bn_inv",
        _setting("leave_out", [1]),
        r"`leave_out` is \[1\], but there are tensors for layer 1",
    ),
    "a bias is missing": (
        "seq_bn_inv",
        _without("layer.1.output.adapters.mine.adapter_up.bias"),
        "layer 1, output lacks adapter_up.bias",
    ),
    "a layer of another width": (
        "seq_bn_inv",
        _wider_second_layer,
        "layer 2, output: the configuration gives a bottleneck of 8 units, the tensors have 5",
    ),
    "no attention adapters": (
        "double_seq_bn",
        _without("attention."),
        "declares attention adapters; the file has none",
    ),
    "attention adapters not declared": (
        "double_seq_bn",
        _setting("mh_adapter", False),
        "the file has attention adapters; the configuration declares none",
    ),
    "no activation": ("seq_bn", _setting("non_linearity", None), "does not say `non_linearity`"),
    "an unknown setting": (
        "seq_bn",
        _setting("use_surprise", True),
        "no architecture understands the setting use_surprise: True",
    ),
    "an unknown method": (
        "seq_bn",
        _setting("architecture", "surprise"),
        r"8 of 8 tensors are covered by no architecture.*surprise",
    ),
    "an unknown tensor": ("seq_bn_inv", _extra_tensor, r"adapters\.\{name\}\.surprise"),
    "half of a LoRA": (
        "lora",
        _without("layer.1.attention.self.query.loras.mine.lora_B"),
        "layer.1.attention.self.query has lora_A without its partner",
    ),
    "a matrix of LoRA is missing": (
        "lora",
        _without("layer.1.attention.self.query"),
        "layer 1 has no tensors for attention.self.query, which other layers have",
    ),
    "another rank": (
        "lora",
        _setting("r", 3),
        r"the configuration gives rank 3, A has shape \(2, 16\) and B \(16, 2\)",
    ),
    "no alpha": ("lora", _setting("alpha", None), "LoRA needs `r` and `alpha`"),
    "a vector of (IA)³ is missing": (
        "ia3",
        _without("layer.1.attention.self.key"),
        "layer 1 has no tensors for attention.self.key",
    ),
    "(IA)³ of a scale of 0": ("ia3", _setting("alpha", 0), "an alpha other than 0"),
    "a prefix without its tensor": (
        "prefix_flat",
        _without("prefix_tuning.prefix_tunings"),
        "a flat prefix needs",
    ),
    "a prefix network without a layer": (
        "prefix",
        _without("control_trans.2.bias"),
        "a reparametrised prefix needs .*control_trans.2.bias",
    ),
    "a flat prefix that is none": ("prefix", _setting("flat", True), "a flat prefix needs"),
    "a prefix of another length": (
        "prefix_flat",
        _setting("prefix_length", 7),
        "256 numbers do not divide into 7 rows",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_and_contradictory_adapters(damage: str, tmp_path: Path) -> None:
    kind, spoil, message = DAMAGE[damage]
    folder = tmp_path / "mine"
    config, tensors = _saved(kind, folder)
    spoil(config, tensors)
    (folder / "adapter_config.json").write_text(json.dumps(config))
    torch.save(tensors, folder / "pytorch_adapter.bin")
    with pytest.raises(xlmerge.XLMergeError, match=message):
        xlmerge.load(folder)


def _stored_as(dtype: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    def spoil(_: dict[str, Any], tensors: dict[str, Any]) -> None:
        for key, tensor in tensors.items():
            tensors[key] = tensor.to(dtype)

    return spoil


@pytest.mark.parametrize("dtype", ["int8", "int32", "float8_e4m3fn"])
def test_quantised_tensors(dtype: str, tmp_path: Path) -> None:
    """Numbers without their scales mean nothing."""
    folder = tmp_path / "mine"
    _, tensors = _saved("lora", folder)
    _stored_as(getattr(torch, dtype))({}, tensors)
    torch.save(tensors, folder / "pytorch_adapter.bin")
    with pytest.raises(xlmerge.XLMergeError, match=rf"stored as {dtype}|not quantised"):
        tiny.merge("linear", [folder], [1.0], tmp_path / "out")
    assert not (tmp_path / "out").exists()
