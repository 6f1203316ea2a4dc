"""Means in the model's own precision.

The library multiplies hidden states with weights in float32, so that a model in bfloat16 gets
states it cannot go on with.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from adapters.methods.adapter_layer_base import ComposableAdapterLayerBase

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["means_keep_dtype"]


@contextmanager
def means_keep_dtype(model: Any) -> Iterator[None]:
    """Let the composable layers of a model, and of no other, give means as they got the states."""
    layers = [
        module
        for module in model.modules()
        if isinstance(module, ComposableAdapterLayerBase) and "mean" not in vars(module)
    ]
    if model.dtype == torch.float32:  # the library is right, then
        layers = []
    for layer in layers:
        layer.mean = partial(_mean, type(layer).mean, layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.mean


def _mean(mean: Any, layer: Any, states: Any, weights: torch.Tensor) -> Any:
    """The library's mean, cast back."""
    state = mean(layer, states, weights)
    if state.hidden_states is None:
        return state
    return state._replace(hidden_states=state.hidden_states.to(states[0].hidden_states.dtype))
