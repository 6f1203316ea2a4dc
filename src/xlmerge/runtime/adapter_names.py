"""Which parameters of a model belong to an adapter or a head: by whole components of their names.

Comparing with parts of names would take ``en`` for ``en_x``.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from torch import nn

__all__ = ["adapter_parameters", "head_parameters"]

# Modules of the library that hold one thing for each adapter.
_HOLDERS = frozenset(
    {"adapters", "loras", "refts", "prefix_tunings", "prefix_gates", "shared_parameters"}
    | {"prompt_tunings", "invertible_adapters"}
)


def adapter_parameters(model: nn.Module, name: str) -> dict[str, torch.nn.Parameter]:
    """The parameters of one adapter, by their names in the model; the invertible part included."""
    return dict(_below(model, name, _HOLDERS))


def head_parameters(model: nn.Module, name: str) -> dict[str, torch.nn.Parameter]:
    """The parameters of one head, without those it shares with the base model."""
    shared = {id(parameter) for parameter in model.get_input_embeddings().parameters()}
    found = _below(model, name, frozenset({"heads"}))
    return {key: parameter for key, parameter in found if id(parameter) not in shared}


def _below(
    model: nn.Module, name: str, holders: frozenset[str]
) -> Iterator[tuple[str, torch.nn.Parameter]]:
    for key, parameter in model.named_parameters():
        parts = key.split(".")
        if any(
            (above in holders or above.endswith("_adapters")) and part == name
            for above, part in pairwise(parts)
        ):
            yield key, parameter
