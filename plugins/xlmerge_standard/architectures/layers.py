"""Where in a transformer a key lies, for the layouts of XLM-R/RoBERTa, BERT and Llama."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from xlmerge.errors import UnsupportedAdapterError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xlmerge.plugin import FolderHeader

__all__ = ["LAYER", "check_layers", "refuse", "split_layer"]

LAYER = r"(?:encoder\.layer|layers)\.(?P<layer>\d+)\."
"""Start of a canonical key inside a layer: ``encoder.layer.3.`` (XLM-R, BERT) or ``layers.3.`` (Llama)."""

_LAYER = re.compile(LAYER)


def split_layer(key: str) -> tuple[int | None, str]:
    """Layer index and the rest of a canonical key: ``encoder.layer.3.output`` is ``(3, "output")``."""
    match = _LAYER.match(key)
    return (None, key) if match is None else (int(match["layer"]), key[match.end() :])


def refuse(header: FolderHeader, setting: str, reason: str) -> UnsupportedAdapterError:
    """The error for a setting that is known and cannot be merged."""
    return UnsupportedAdapterError(f"{header.path}: `{setting}` cannot be merged: {reason}")


def check_layers(header: FolderHeader, found: Iterable[int], left_out: Any) -> None:
    """Check that the layers with tensors are all layers but those left out.

    The number of layers stands nowhere in the folder, so only gaps below the highest layer can be seen.

    Raises:
        UnsupportedAdapterError: A layer is missing that was not left out, or is there although it was.
    """
    layers = set(found)
    if not layers:
        return
    skipped = set(left_out or ())
    missing = sorted(set(range(max(layers) + 1)) - layers - skipped)
    surplus = sorted(layers & skipped)
    if missing:
        raise UnsupportedAdapterError(
            f"{header.path}: no tensors for layer {', '.join(map(str, missing))}, though there are some for layer "
            f"{max(layers)} and `leave_out` is {sorted(skipped)}",
            hint="the file is incomplete: save the adapter again, or say the missing layers in `leave_out`",
        )
    if surplus:
        raise UnsupportedAdapterError(
            f"{header.path}: `leave_out` is {sorted(skipped)}, but there are tensors for layer "
            f"{', '.join(map(str, surplus))}, which the library would not load"
        )
