"""Adapter folders for tests, as the libraries would save them, without the libraries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlmerge.checkpoint.tensor_file import Array

__all__ = ["write_adapters_folder", "write_peft_folder"]


def write_adapters_folder(
    folder: Path | str,
    config: Mapping[str, Any],
    tensors: Mapping[str, Array],
    *,
    name: str = "mine",
    hidden_size: int = 8,
    head_config: Mapping[str, Any] | None = None,
    head_tensors: Mapping[str, Array] | None = None,
) -> Path:
    """Write what ``model.save_adapter`` of `adapters` writes.

    Args:
        folder: Where; made if it is not there.
        config: The adapter's own configuration (``architecture``, ...).
        tensors: Key as in the model, ``roberta.encoder.layer.0. ...``, to NumPy array; ``{name}``
            in a key stands for the adapter's name.
        name: The adapter's name.
        hidden_size: Width of the base model.
        head_config: Content of ``head_config.json``, if there is a prediction head.
        head_tensors: The head's tensors.

    Returns:
        The folder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "config": dict(config),
        "hidden_size": hidden_size,
        "model_class": "XLMRobertaAdapterModel",
        "model_name": "someone/tiny",
        "model_type": "xlm-roberta",
        "name": name,
        "version": "adapters.1.3.0",
    }
    _write_json(folder / "adapter_config.json", document)
    _write_tensors(folder / "adapter.safetensors", tensors, name)
    if head_config is not None:
        _write_json(folder / "head_config.json", {"name": name, **head_config})
        _write_tensors(folder / "model_head.safetensors", head_tensors or {}, name)
    return folder


def write_peft_folder(
    folder: Path | str, config: Mapping[str, Any], tensors: Mapping[str, Array]
) -> Path:
    """Write what ``save_pretrained`` of PEFT writes.

    Args:
        folder: Where; made if it is not there.
        config: Content of ``adapter_config.json`` (``peft_type``, ...).
        tensors: Key as PEFT writes it, ``base_model.model. ...``, to NumPy array.

    Returns:
        The folder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    defaults = {"base_model_name_or_path": "someone/tiny", "task_type": None}
    _write_json(folder / "adapter_config.json", {**defaults, **config})
    _write_tensors(folder / "adapter_model.safetensors", tensors, "")
    return folder


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _write_tensors(path: Path, tensors: Mapping[str, Array], name: str) -> None:
    from xlmerge.checkpoint.tensor_file import create_tensor_file

    named = {key.replace("{name}", name): array for key, array in tensors.items()}
    with create_tensor_file(path, "safetensors", list(named)) as writer:
        for key, array in named.items():
            writer.write(key, array)
