"""Random adapters of realistic form, written without any of the libraries."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from floors.positioned import write
from sizes import Size

__all__ = ["language_adapter", "language_adapter_as_bin", "lora_adapter", "synthetic_adapter"]

LINEARS = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
)
BASE_NAME = "someone/xlm-r-of-random-weights"


def language_adapter(folder: Path, size: Size, seed: int) -> None:
    """A MAD-X language adapter: bottlenecks of half the width after each layer, and NICE at the embeddings."""
    shapes: dict[str, tuple[int, ...]] = {}
    wide, half, quarter = size.hidden, size.hidden // 2, size.hidden // 4
    name = folder.name
    for layer in range(size.layers):
        at = f"encoder.layer.{layer}.output.adapters.{name}"
        shapes[f"{at}.adapter_down.0.weight"] = (half, wide)
        shapes[f"{at}.adapter_down.0.bias"] = (half,)
        shapes[f"{at}.adapter_up.weight"] = (wide, half)
        shapes[f"{at}.adapter_up.bias"] = (wide,)
    for block in "FG":
        at = f"invertible_adapters.{name}.{block}"
        shapes[f"{at}.0.weight"] = (quarter, half)
        shapes[f"{at}.0.bias"] = (quarter,)
        shapes[f"{at}.2.weight"] = (half, quarter)
        shapes[f"{at}.2.bias"] = (half,)
    config = {
        "config": {
            "mh_adapter": False,
            "output_adapter": True,
            "reduction_factor": 2,
            "non_linearity": "relu",
            "original_ln_before": True,
            "original_ln_after": True,
            "ln_before": False,
            "ln_after": False,
            "residual_before_ln": True,
            "adapter_residual_before_ln": False,
            "is_parallel": False,
            "scaling": 1.0,
            "inv_adapter": "nice",
            "inv_adapter_reduction_factor": 2,
            "cross_adapter": False,
            "leave_out": [],
            "dropout": 0.0,
            "use_gating": False,
            "init_weights": "bert",
            "phm_layer": False,
        },
        "hidden_size": size.hidden,
        "model_class": "XLMRobertaModel",
        "model_name": BASE_NAME,
        "model_type": "xlm-roberta",
        "name": name,
        "version": "adapters.1.3.0",
    }
    _write(folder, "adapter.safetensors", shapes, config, seed)


def language_adapter_as_bin(folder: Path, source: Path) -> None:
    """The same adapter as torch saves it (the only thing here that needs torch)."""
    import torch
    from floors.positioned import Tensors

    folder.mkdir(parents=True)
    tensors = Tensors(source / "adapter.safetensors")
    state = {
        name.replace(source.name, folder.name): torch.from_numpy(tensors[name]) for name in tensors
    }
    torch.save(state, folder / "pytorch_adapter.bin")
    config = json.loads((source / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, "name": folder.name}))


def lora_adapter(folder: Path, size: Size, seed: int) -> None:
    """LoRA on all six linear maps of each layer."""
    shapes: dict[str, tuple[int, ...]] = {}
    widths = {
        "intermediate.dense": (size.hidden, size.feed_forward),
        "output.dense": (size.feed_forward, size.hidden),
    }
    for layer in range(size.layers):
        for linear in LINEARS:
            narrow, wide = widths.get(linear, (size.hidden, size.hidden))
            at = f"base_model.model.encoder.layer.{layer}.{linear}"
            shapes[f"{at}.lora_A.weight"] = (size.rank, narrow)
            shapes[f"{at}.lora_B.weight"] = (wide, size.rank)
    _write(
        folder,
        "adapter_model.safetensors",
        shapes,
        _lora_config(size.rank, [f"{x}" for x in LINEARS]),
        seed,
    )


def synthetic_adapter(folder: Path, width: int, rank: int, layers: int, seed: int) -> None:
    """LoRA on the attention of a large Llama; nothing but its size is realistic."""
    sites = [f"self_attn.{letter}_proj" for letter in "qkvo"]
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(layers):
        for site in sites:
            at = f"base_model.model.model.layers.{layer}.{site}"
            shapes[f"{at}.lora_A.weight"] = (rank, width)
            shapes[f"{at}.lora_B.weight"] = (width, rank)
    _write(
        folder,
        "adapter_model.safetensors",
        shapes,
        _lora_config(rank, [s.split(".")[1] for s in sites]),
        seed,
    )


def _lora_config(rank: int, targets: list[str]) -> dict[str, object]:
    return {
        "peft_type": "LORA",
        "task_type": None,
        "base_model_name_or_path": BASE_NAME,
        "inference_mode": True,
        "r": rank,
        "lora_alpha": 2 * rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "use_rslora": False,
        "target_modules": targets,
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "peft_version": "0.21.2",
        "rank_pattern": {},
        "alpha_pattern": {},
        "modules_to_save": None,
        "use_dora": False,
    }


def _write(
    folder: Path,
    file: str,
    shapes: Mapping[str, tuple[int, ...]],
    config: Mapping[str, object],
    seed: int,
) -> None:
    """Normal numbers as small as trained ones."""
    random = np.random.default_rng(seed)

    def values() -> Iterator[np.ndarray]:
        for shape in shapes.values():
            yield random.standard_normal(shape, np.float32) * np.float32(0.03)

    folder.mkdir(parents=True)
    write(folder / file, dict(shapes), values())
    (folder / "adapter_config.json").write_text(json.dumps(config))
