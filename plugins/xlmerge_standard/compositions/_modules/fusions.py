"""Attention over adapters, in a model for as long as it runs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from xlmerge.errors import CompositionError, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from xlmerge.runtime import LiveModel

__all__ = ["fusion_of"]


@contextmanager
def fusion_of(live: LiveModel, folder: Path, names: Sequence[str]) -> Iterator[None]:
    """Have the attention of a folder in the model, for adapters of these names.

    Args:
        live: The model.
        folder: Its folder.
        names: The adapters in the model, in the order of the attention's own.

    Raises:
        CompositionError: It was trained for another number of adapters.
        ModelError: It does not fit the model; the model is as it was.
    """
    from adapters.loading import AdapterFusionLoader

    name, report = ",".join(names), dict[str, Any]()
    safe = not (folder / "pytorch_model_adapter_fusion.bin").is_file()
    loader = AdapterFusionLoader(live.model, use_safetensors=safe)
    try:
        _, found = loader.load(str(folder), load_as=name, loading_info=report)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        live.model.delete_adapter_fusion(name)
        reason = " ".join(str(error).split())
        raise ModelError(f"{folder}: its attention does not fit: {reason[:300]}") from error
    try:
        if report.get("missing_keys") or report.get("unexpected_keys"):
            raise CompositionError(f"{folder}: its attention lies in other layers than {found}")
        live.model.adapter_fusion_to(name, device=live.device, dtype=live.dtype)
        yield
    finally:
        live.model.delete_adapter_fusion(name)
