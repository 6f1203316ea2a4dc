"""Prefix tuning of both libraries: keys and values put before those of the text.

For each layer there is one matrix of keys and one of values, ``[p, d]`` with p virtual tokens. Both
libraries store them all in one tensor, ``[p, 2 * layers, d]`` with the keys and the values of a
layer side by side.
"""

from __future__ import annotations

from xlmerge.plugin import AdapterArchitecture
from xlmerge_standard.architectures.configs import live_prefix

from .in_adapters import in_adapters
from .in_peft import in_peft

__all__ = ["prefix"]

prefix = AdapterArchitecture(
    name="prefix",
    summary="Trained keys and values before those of the text, in every layer.",
    source="Li and Liang 2021, arXiv 2101.00190",
    files=(in_adapters, in_peft),
    live=live_prefix,
)
