"""Differences for a model: of which parameters there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from xlmerge.errors import ModelError
from xlmerge.runtime.adapter_names import adapter_parameters
from xlmerge_standard.architectures._modules.adding import prepare
from xlmerge_standard.architectures._modules.differences import Differences
from xlmerge_standard.architectures.full import FIELDS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["make", "pretrained"]

# Heads of the adapters library read the last hidden states, so it would get no gradient.
_UNUSED = "pooler."


def make(model: Any, fields: Mapping[str, Any]) -> nn.Module:
    """Differences of zero, and a model that adds them while they are active.

    Args:
        model: The model.
        fields: The configuration; see :data:`xlmerge_standard.architectures.full.FIELDS`.

    Raises:
        ModelError: A field has no meaning, a layer is not the model's, or nothing is left.
    """
    if strange := sorted(set(fields) - set(FIELDS)):
        raise ModelError(f"full: there is no field `{strange[0]}`; there is {', '.join(FIELDS)}")
    embeddings, left_out = fields["embeddings"], fields.get("leave_out") or ()
    if not isinstance(embeddings, bool):
        raise ModelError(f"full: `embeddings` is true or false; found {embeddings!r}")
    count = len(list(model.iter_layers()))
    wrong = [layer for layer in left_out if layer not in range(count)]
    if wrong:
        raise ModelError(f"full: the model's layers are 0 to {count - 1}; found {wrong[0]}")
    own = pretrained(model)
    apart = _of_layers(model, set(left_out)) | (set() if embeddings else _of_tables(model))
    chosen = {n: p for n, p in own.items() if id(p) not in apart and not n.startswith(_UNUSED)}
    if not chosen:
        raise ModelError("full: no parameter of the base model is left to change")
    prepare(model, own)
    return Differences(chosen)


def pretrained(model: Any) -> dict[str, nn.Parameter]:
    """The parameters of the base model by name: no adapters, no heads; tied ones once.

    Args:
        model: A model of the adapters library.
    """
    added = {
        id(parameter)
        for name in model.adapters_config.adapters
        for parameter in adapter_parameters(model, name).values()
    }
    return {
        name: parameter
        for name, parameter in model.base_model.named_parameters()
        if id(parameter) not in added and "adapter_fusion_layer" not in name.split(".")
    }


def _of_layers(model: Any, numbers: Collection[int]) -> set[int]:
    """Identities of the parameters of some layers."""
    return {
        id(parameter)
        for number, layer in model.iter_layers()
        if number in numbers
        for parameter in layer.parameters()
    }


def _of_tables(model: Any) -> set[int]:
    """Identities of tables of embeddings: of tokens, positions, and kinds of tokens."""
    within = {module for _, layer in model.iter_layers() for module in layer.modules()}
    return {
        id(parameter)
        for module in model.base_model.modules()
        if isinstance(module, nn.Embedding) and module not in within
        for parameter in module.parameters()
    }
