"""Where something was computed, for the record: it may change a figure in its last digits."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from xlmerge.runtime.live import LiveModel

__all__ = ["surroundings"]

_LIBRARIES = ("torch", "transformers", "adapters", "peft", "datasets", "accelerate")


def surroundings(live: LiveModel) -> dict[str, Any]:
    """``versions`` of the libraries, and the ``device`` by name."""
    device = str(live.device)
    if live.device.type == "cuda":
        device += f" ({torch.cuda.get_device_name(live.device)})"
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {"versions": versions, "device": device}
