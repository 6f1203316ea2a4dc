"""Whole folders."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from builders import adapters_kinds, peft_kinds
from builders.layouts import HIDDEN, MODELS
from xlmerge.checkpoint.dtypes import numpy_dtype
from xlmerge.checkpoint.tensor_file import create_tensor_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from builders.layouts import Model
    from xlmerge.checkpoint.tensor_file import Container

__all__ = ["ADAPTERS_KINDS", "KINDS", "PEFT_KINDS", "make", "write_recipe"]

ADAPTERS_KINDS = tuple(adapters_kinds.MAKERS)
PEFT_KINDS = tuple(peft_kinds.MAKERS)
KINDS = (*ADAPTERS_KINDS, *PEFT_KINDS)


def make(
    folder: Path,
    kind: str,
    *,
    seed: int = 0,
    model: str = "xlmr",
    container: Container | None = None,
    dtype: str = "float32",
    labels: int = 0,
    base_model: str | None = "",
    name: str | None = None,
    prefix: str | None = None,
    document: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Path:
    """Write an adapter folder.

    Args:
        folder: Where; made with its parents.
        kind: One of ``KINDS``.
        seed: Of the numbers.
        model: Layout, one of ``MODELS``.
        container: ``bin`` or ``safetensors``; what the library itself writes if not given.
        dtype: Precision.
        labels: Number of labels of a prediction head; 0 for none.
        base_model: What it records; the model's usual name if empty, nothing if None.
        name: The adapter's name in an `adapters` folder; the folder's if not given.
        prefix: Start of the keys; that of a model with a head if not given.
        document: Further top-level keys of ``adapter_config.json``.
        **settings: Settings of the method that differ from the usual ones.
    """
    made_for = MODELS[model]
    base = made_for.name if base_model == "" else base_model
    rng = np.random.default_rng([seed, len(kind)])

    def draw(*shape: int) -> Any:
        return (rng.standard_normal(shape) * 0.5).astype(np.float32)

    folder.mkdir(parents=True)
    if kind in peft_kinds.MAKERS:
        arrays, config = peft_kinds.MAKERS[kind](made_for, draw, **settings)
        _write_peft(folder, made_for, arrays, config, labels, draw, container, dtype, base)
        if document:
            _write_json(folder / "adapter_config.json", {**_read(folder), **document})
        return folder
    arrays, config = adapters_kinds.MAKERS[kind](made_for, draw, **settings)
    adapter = name or folder.name
    start = made_for.prefix if prefix is None else prefix
    top = {
        "hidden_size": HIDDEN,
        "model_class": made_for.model_class,
        "model_name": base or "",
        "model_type": made_for.type,
        "name": adapter,
        "version": "adapters.1.3.0",
        **(document or {}),
    }
    top = {key: value for key, value in top.items() if value is not ...}
    _write_json(folder / "adapter_config.json", {"config": config, **top})
    container = container or "bin"
    copies = adapters_kinds.copies(made_for, list(arrays)) if "prefix" in kind else {}
    file = "pytorch_adapter.bin" if container == "bin" else "adapter.safetensors"
    _write_tensors(
        folder / file,
        container,
        {start + key.replace("{name}", adapter): _cast(a, dtype) for key, a in arrays.items()},
        {
            start + copy.replace("{name}", adapter): start + key.replace("{name}", adapter)
            for copy, key in copies.items()
        },
    )
    if labels:
        _write_head(folder, adapter, labels, draw, container, top)
    return folder


def _write_head(
    folder: Path, name: str, labels: int, draw: Any, container: Container, top: dict[str, Any]
) -> None:
    config = {
        "activation_function": "tanh",
        "bias": True,
        "dropout_prob": None,
        "head_type": "classification",
        "label2id": {f"LABEL_{label}": label for label in range(labels)},
        "layers": 2,
        "num_labels": labels,
        "use_pooler": False,
    }
    _write_json(folder / "head_config.json", {"config": config, **top})
    arrays = {
        f"heads.{name}.1.weight": draw(HIDDEN, HIDDEN),
        f"heads.{name}.1.bias": draw(HIDDEN),
        f"heads.{name}.4.weight": draw(labels, HIDDEN),
        f"heads.{name}.4.bias": draw(labels),
    }
    file = "pytorch_model_head.bin" if container == "bin" else "model_head.safetensors"
    _write_tensors(folder / file, container, arrays, {})


def _write_peft(  # noqa: PLR0917
    folder: Path,
    model: Model,
    arrays: dict[str, Any],
    config: dict[str, Any],
    labels: int,
    draw: Any,
    container: Container | None,
    dtype: str,
    base: str | None,
) -> None:
    prompt = "prompt_embeddings" in arrays
    outer = "base_model." if prompt else "base_model.model."
    stored = {
        key if prompt else outer + model.prefix + key: _cast(array, dtype)
        for key, array in arrays.items()
    }
    config = {**config, "base_model_name_or_path": base}
    if labels:
        config |= {"task_type": "SEQ_CLS", "modules_to_save": ["classifier", "score"]}
        stored[f"{outer}classifier.dense.weight"] = draw(HIDDEN, HIDDEN)
        stored[f"{outer}classifier.dense.bias"] = draw(HIDDEN)
        stored[f"{outer}classifier.out_proj.weight"] = draw(labels, HIDDEN)
        stored[f"{outer}classifier.out_proj.bias"] = draw(labels)
    _write_json(folder / "adapter_config.json", config)
    container = container or "safetensors"
    file = "adapter_model.safetensors" if container == "safetensors" else "adapter_model.bin"
    _write_tensors(folder / file, container, stored, {})


def _cast(array: Any, dtype: str) -> Any:
    return array.astype(numpy_dtype(dtype))


def _read(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    return content


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _write_tensors(
    path: Path, container: Container, arrays: Mapping[str, Any], copies: Mapping[str, str]
) -> None:
    with create_tensor_file(path, container, [*arrays, *copies]) as writer:
        for key, array in arrays.items():
            writer.write(key, array)
        for copy, key in copies.items():
            if container == "bin":
                writer.alias(copy, key)
            else:
                writer.write(copy, arrays[key])


def write_recipe(
    folder: Path, adapters: Mapping[str, str], steps: Mapping[str, Any], **more: Any
) -> Path:
    """Write ``recipe.yaml`` (JSON is YAML), and give its path."""
    content = {"version": 1, **more, "adapters": dict(adapters), "steps": dict(steps)}
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return path
