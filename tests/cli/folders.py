"""Adapter folders of a few numbers, written byte by byte: no library takes part."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LAYERS, WIDTH, RANK, TOKENS = 2, 8, 2, 3


def write_safetensors(path: Path, tensors: Mapping[str, np.ndarray[Any, Any]]) -> None:
    header: dict[str, Any] = {}
    start = 0
    for name, array in tensors.items():
        end = start + array.nbytes
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    body = b"".join(array.astype("<f4").tobytes() for array in tensors.values())
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def _numbers(seed: int, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)
    return {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in sorted(shapes.items())
    }


def _write(folder: Path, config: Mapping[str, Any], file: str, tensors: Mapping[str, Any]) -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    write_safetensors(folder / file, tensors)
    return folder


def language(folder: Path, *, seed: int, **changes: Any) -> Path:
    """A MAD-X language adapter as `adapters` saves it, invertible part included."""
    name = "adapter"
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(LAYERS):
        root = f"roberta.encoder.layer.{layer}.output.adapters.{name}"
        shapes |= {
            f"{root}.adapter_down.0.weight": (WIDTH // 2, WIDTH),
            f"{root}.adapter_down.0.bias": (WIDTH // 2,),
            f"{root}.adapter_up.weight": (WIDTH, WIDTH // 2),
            f"{root}.adapter_up.bias": (WIDTH,),
        }
    half = WIDTH // 2
    for net in "FG":
        root = f"roberta.invertible_adapters.{name}.{net}"
        shapes |= {
            f"{root}.0.weight": (half // 2, half),
            f"{root}.0.bias": (half // 2,),
            f"{root}.2.weight": (half, half // 2),
            f"{root}.2.bias": (half,),
        }
    config = {
        "mh_adapter": False,
        "output_adapter": True,
        "reduction_factor": 2,
        "non_linearity": "relu",
        "inv_adapter": "nice",
        "inv_adapter_reduction_factor": 2,
        "leave_out": [],
        **changes,
    }
    document = {
        "config": config,
        "hidden_size": WIDTH,
        "model_class": "XLMRobertaAdapterModel",
        "model_name": "someone/tiny",
        "model_type": "xlm-roberta",
        "name": name,
        "version": "adapters.1.3.0",
    }
    return _write(folder, document, "adapter.safetensors", _numbers(seed, shapes))


def add_flex_head(folder: Path, head: str = "adapter") -> Path:
    """A head as `adapters` puts it beside an adapter."""
    tensors = _numbers(9, {f"heads.{head}.1.weight": (3, WIDTH), f"heads.{head}.1.bias": (3,)})
    write_safetensors(folder / "model_head.safetensors", tensors)
    config = {"head_type": "classification", "num_labels": 3, "label2id": {"bad": 0, "ok": 1}}
    document = {"config": config, "name": head, "hidden_size": WIDTH}
    (folder / "head_config.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def _peft(kind: str, **more: Any) -> dict[str, Any]:
    return {
        "base_model_name_or_path": "someone/tiny",
        "peft_type": kind,
        "task_type": "SEQ_CLS",
        **more,
    }


def lora(folder: Path, *, seed: int, head: bool = False, **changes: Any) -> Path:
    """A LoRA adapter as PEFT saves it, on queries and values."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(LAYERS):
        for site in ("query", "value"):
            root = f"base_model.model.roberta.encoder.layer.{layer}.attention.self.{site}"
            shapes |= {
                f"{root}.lora_A.weight": (RANK, WIDTH),
                f"{root}.lora_B.weight": (WIDTH, RANK),
            }
    if head:
        shapes["base_model.model.classifier.weight"] = (3, WIDTH)
    config = _peft("LORA", r=RANK, lora_alpha=4, target_modules=["query", "value"], **changes)
    return _write(folder, config, "adapter_model.safetensors", _numbers(seed, shapes))


def ia3(folder: Path, *, seed: int) -> Path:
    """An (IA)³ adapter as PEFT saves it."""
    shapes = {
        f"base_model.model.roberta.encoder.layer.{layer}.attention.self.{site}.ia3_l": (WIDTH, 1)
        for layer in range(LAYERS)
        for site in ("key", "value")
    }
    config = _peft("IA3", target_modules=["key", "value"], feedforward_modules=[])
    tensors = {name: 1 + 0.3 * value for name, value in _numbers(seed, shapes).items()}
    return _write(folder, config, "adapter_model.safetensors", tensors)


def prefix(folder: Path, *, seed: int, tokens: int = TOKENS) -> Path:
    """A prefix as PEFT saves it."""
    tensors = _numbers(seed, {"prompt_embeddings": (tokens, 2 * LAYERS * WIDTH)})
    config = _peft(
        "PREFIX_TUNING",
        num_virtual_tokens=tokens,
        num_layers=LAYERS,
        token_dim=WIDTH,
        num_attention_heads=2,
        num_transformer_submodules=1,
    )
    return _write(folder, config, "adapter_model.safetensors", tensors)
