"""Attention over adapters, in a model for as long as it runs."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from adapters.loading import AdapterFusionLoader

from xlmerge.errors import CompositionError, ModelError
from xlmerge.runtime.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from xlmerge.runtime import LiveModel

__all__ = ["fusion_of"]


@contextmanager
def fusion_of(live: LiveModel, folder: Path, names: Sequence[str]) -> Iterator[None]:
    """Have the attention of a folder in the model, for adapters of these names.

    Its weights are the same for all of the adapters, so that their order is free.

    Args:
        live: The model.
        folder: Its folder.
        names: The adapters in the model.

    Raises:
        CompositionError: It was trained for another number of adapters.
        ModelError: It does not fit the model; the model is as it was.
    """
    document = json.loads((folder / "adapter_fusion_config.json").read_text(encoding="utf-8"))
    trained = document.get("adapter_names") or str(document.get("name")).split(",")
    if len(trained) != len(set(names)):
        raise CompositionError(
            f"{folder}: its attention was trained for {len(trained)} adapters "
            f"({', '.join(trained)}); found {len(set(names))}"
        )
    name = ",".join(names)
    try:
        _load(live, folder, list(names), document["config"])
        yield
    finally:
        if name in live.model.adapters_config.fusions:
            live.model.delete_adapter_fusion(name)


def _load(live: LiveModel, folder: Path, names: list[str], config: Any) -> None:
    """Add it and fill it; the library would look for the adapters' names at its training."""
    name, report = ",".join(names), dict[str, Any]()
    safe = not (folder / "pytorch_model_adapter_fusion.bin").is_file()
    try:
        with quiet(), torch.random.fork_rng(devices=[]):
            live.model.add_adapter_fusion(names, config, name=name)
            loader = AdapterFusionLoader(live.model, use_safetensors=safe)
            loader.load(str(folder), load_as=name, loading_info=report)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{folder}: its attention does not fit: {reason[:300]}") from error
    if wrong := [*report.get("missing_keys", []), *report.get("unexpected_keys", [])]:
        raise ModelError(
            f"{folder}: its attention does not fit the model: {len(wrong)} weights are missing or "
            f"have no place ({wrong[0]}, ...)"
        )
    live.model.adapter_fusion_to(name, device=live.device, dtype=live.dtype)
    for key, parameter in live.model.named_parameters():
        if name in key.split("."):
            parameter.requires_grad_(requires_grad=False)
