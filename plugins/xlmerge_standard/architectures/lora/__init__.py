"""LoRA of both libraries: a low-rank addition ``scale * B @ A`` to a linear map."""

from __future__ import annotations

from xlmerge.plugin import AdapterArchitecture
from xlmerge_standard.architectures.configs import live_lora

from .in_adapters import in_adapters
from .in_peft import in_peft

__all__ = ["lora"]

lora = AdapterArchitecture(
    name="lora",
    summary="A low-rank addition scale * B @ A to a linear map; rsLoRA, rank and alpha patterns "
    "included.",
    source="Hu et al. 2021, arXiv 2106.09685; Kalajdzievski 2023, arXiv 2312.03732",
    files=(in_adapters, in_peft),
    live=live_lora,
)
