"""Where in a transformer a key lies, and whether every layer has what it should."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from xlmerge.errors import UnsupportedAdapterError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xlmerge.plugin import FolderHeader

__all__ = ["LAYER", "check_layers", "check_same_sites", "split_layer"]

LAYER = r"(?:encoder\.layer|layers)\.(?P<layer>\d+)\."
"""Start of a canonical key inside a layer: ``encoder.layer.3.`` (XLM-R, BERT) or ``layers.3.``
(Llama)."""

# Also where PEFT goes: `h.3.` (GPT-2), `encoder.block.3.` (T5).
_ANY_LAYER = re.compile(r"(?P<stack>(?:^|.*?\.)(?:layers?|h|blocks?))\.(?P<layer>\d+)\.")


def split_layer(key: str) -> tuple[int | None, str]:
    """Layer index and the rest of a key: ``encoder.layer.3.output`` is ``(3, "output")``.

    Layers of an encoder and of a decoder are counted each from 0; their keys tell them apart.
    """
    match = _ANY_LAYER.match(key)
    return (None, key) if match is None else (int(match["layer"]), key[match.end() :])


def check_layers(header: FolderHeader, found: Iterable[int | None], left_out: Any) -> None:
    """Check that the layers with tensors are all layers but those left out.

    The number of layers stands nowhere in the folder, so only gaps below the highest layer can be
    seen.

    Raises:
        UnsupportedAdapterError: A layer is missing that was not left out, or is there although it
            was.
    """
    layers = {layer for layer in found if layer is not None}
    if not layers:
        return
    skipped = set(left_out or ())
    missing = sorted(set(range(max(layers) + 1)) - layers - skipped)
    surplus = sorted(layers & skipped)
    if missing:
        raise UnsupportedAdapterError(
            f"{header.path}: no tensors for layer {_listed(missing)}, though there are some for "
            f"layer {max(layers)} and `leave_out` is {sorted(skipped)}",
            hint="the file is incomplete: save the adapter again, or say the missing layers in "
            "`leave_out`",
        )
    if surplus:
        raise UnsupportedAdapterError(
            f"{header.path}: `leave_out` is {sorted(skipped)}, but there are tensors for layer "
            f"{_listed(surplus)}, which the library would not load",
            hint="take the layers out of `leave_out` in adapter_config.json if they are meant",
        )


def check_same_sites(header: FolderHeader, modules: Iterable[str]) -> None:
    """Check that a module that one layer has tensors for has them in every layer that has any.

    Raises:
        UnsupportedAdapterError: It has not; the library would load a random one in its place.
    """
    stacks: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for module in modules:
        if match := _ANY_LAYER.match(module):
            stacks[match["stack"]][int(match["layer"])].add(module[match.end() :])
    for layers in stacks.values():
        every = set().union(*layers.values())
        for layer, sites in sorted(layers.items()):
            if sites != every:
                raise UnsupportedAdapterError(
                    f"{header.path}: layer {layer} has no tensors for "
                    f"{_listed(sorted(every - sites))}, which other layers have",
                    hint="the file is incomplete: save the adapter again",
                )


def _listed(things: Iterable[object]) -> str:
    return ", ".join(map(str, things))
