"""The representation transformation network in torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from xlmerge.errors import ModelError
from xlmerge_metaxl._modules.stopping import stopped
from xlmerge_metaxl.architectures.rtn import layers_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Transformation", "make"]


class Transformation(nn.Module):  # type: ignore[misc]
    """One network: a bottleneck with a gate, to be added to its input.

    Args:
        width: Of the hidden states, d.
        inner: Of the bottleneck.
        gate: Whether a further output of the second map, through a sigmoid, scales the others.
        stop_gradient: Whether its input is taken as a constant; the residual beside it never is.
        paper: Whether it starts at random; at zero if not.
        lowest: Whether no other network lies below it.
    """

    def __init__(
        self, width: int, inner: int, *, gate: bool, stop_gradient: bool, paper: bool, lowest: bool
    ) -> None:
        super().__init__()
        self.gate, self.stop_gradient, self.lowest = gate, stop_gradient, lowest
        self.down = nn.Linear(width, inner)
        self.up = nn.Linear(inner, width + gate)
        for linear in (self.down, self.up):
            nn.init.xavier_normal_(linear.weight)
            nn.init.zeros_(linear.bias)
        if not paper:
            nn.init.zeros_(self.up.weight)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """What is added to hidden states ``[..., d]``.

        Xia et al. 2021, equation 1, with the gate of the authors' code.
        """
        if self.stop_gradient:
            # Below the lowest nothing depends on a network, and forward mode knows `detach` alone.
            states = states.detach() if self.lowest else stopped(states)
        out: torch.Tensor = self.up(torch.relu(self.down(states)))
        if self.gate:
            out = torch.sigmoid(out[..., -1:]) * out[..., :-1]
        return out


def make(model: Any, fields: Mapping[str, Any]) -> nn.Module:
    """The networks of one source language, by layer.

    Args:
        model: The model.
        fields: The configuration; see :data:`xlmerge_metaxl.architectures.rtn.FIELDS`.

    Raises:
        ModelError: A layer is not the model's, or a field has no meaning; or the model runs one
            layer several times.
    """
    width, factor, init = model.config.hidden_size, fields["reduction_factor"], fields["init"]
    if not isinstance(factor, int | float) or not 0 < factor <= width:
        raise ModelError(f"rtn: `reduction_factor` is above 0 and at most {width}; found {factor}")
    if init not in {"identity", "paper"}:
        raise ModelError(f"rtn: `init` is identity or paper; found {init!r}")
    depth = len(list(model.iter_layers()))
    if depth != model.config.num_hidden_layers:
        raise ModelError(
            f"rtn: the model goes through {model.config.num_hidden_layers} layers, but has {depth} "
            "of its own (ALBERT's layers share their weights), so none can be told from the others"
        )
    places = layers_of(fields["layers"], depth)
    return nn.ModuleDict(
        {
            str(layer): Transformation(
                width,
                int(width // factor),
                gate=bool(fields["gate"]),
                stop_gradient=bool(fields["stop_gradient"]),
                paper=init == "paper",
                lowest=layer == places[0],
            )
            for layer in places
        }
    )
