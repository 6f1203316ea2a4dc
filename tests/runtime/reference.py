"""XLM-R with adapters in plain torch, straight from the files: no adapters library, no PEFT.

Follows the formulas of the papers and of the library's documentation, each in a line or two, so
that what xlmerge runs can be compared with something that shares no code with it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import layer_norm, linear

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

Weights = dict[str, torch.Tensor]


@dataclass
class File:
    """The tensors of an adapter's folder, without the adapter's name in their keys."""

    tensors: Weights
    head: Weights

    @classmethod
    def read(cls, folder: Path, name: str, dtype: torch.dtype = torch.float64) -> File:
        def load(file: str) -> Weights:
            path = folder / file
            stored = torch.load(path, weights_only=True) if path.exists() else {}
            return {
                re.sub(rf"\.{re.escape(name)}\.", ".", key.removeprefix("roberta.")): t.to(dtype)
                for key, t in stored.items()
            }

        return cls(load("pytorch_adapter.bin"), load("pytorch_model_head.bin"))

    def times(self, weight: float) -> File:
        return File({key: weight * tensor for key, tensor in self.tensors.items()}, self.head)

    def __add__(self, other: File) -> File:
        return File({k: self.tensors[k] + other.tensors[k] for k in self.tensors}, self.head)

    def without_layer(self, layer: int) -> File:
        kept = {k: t for k, t in self.tensors.items() if f"layer.{layer}." not in k}
        return File(kept, self.head)


# --- what adapters do --------------------------------------------------------------------------


def bottleneck(file: File, layer: int, state: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
    """``up(relu(down(state))) + residual``; the residual where the layer has no adapter."""
    at = f"encoder.layer.{layer}.output.adapters."
    tensors = file.tensors
    if at + "adapter_up.weight" not in tensors:
        return residual
    down, bias = tensors[at + "adapter_down.0.weight"], tensors[at + "adapter_down.0.bias"]
    inner = torch.relu(linear(state, down, bias))
    return linear(inner, tensors[at + "adapter_up.weight"], tensors[at + "adapter_up.bias"]) + (
        residual
    )


def coupling(file: File | None, states: torch.Tensor) -> torch.Tensor:
    """NICE: ``x1 + F(x2)``, then ``x2 + G(x1)``."""
    if file is None:
        return states

    def net(name: str, x: torch.Tensor) -> torch.Tensor:
        t, at = file.tensors, f"invertible_adapters.{name}."
        x = torch.relu(linear(x, t[at + "0.weight"], t[at + "0.bias"]))
        return linear(x, t[at + "2.weight"], t[at + "2.bias"])

    first, second = states.chunk(2, dim=-1)
    first = first + net("F", second)
    second = second + net("G", first)
    return torch.cat([first, second], dim=-1)


def stacked(*files: File) -> Any:
    """Each on the one before, the layer norm again before each."""

    def after(layer: int, output: torch.Tensor, residual: torch.Tensor, norm: Any) -> torch.Tensor:
        state = output
        for file in files:
            state = bottleneck(file, layer, norm(state + residual), state)
        return norm(state + residual)

    return after


def averaged(weights: Sequence[float], *files: File, then: Sequence[File] = ()) -> Any:
    """The weighted mean of what each puts out, and further adapters on it."""

    def after(layer: int, output: torch.Tensor, residual: torch.Tensor, norm: Any) -> torch.Tensor:
        outs = [bottleneck(file, layer, norm(output + residual), output) for file in files]
        state = sum(w * out for w, out in zip(weights, outs, strict=True))
        for file in then:
            state = bottleneck(file, layer, norm(state + residual), state)
        return norm(state + residual)

    return after


def low_rank(weights: Sequence[float], scale: float, *files: File) -> Callable[[str], Any]:
    """``sum_i w_i * scale * B_i A_i`` for a module; 0 where there is none."""

    def delta(module: str) -> Any:
        return sum(
            w * scale * f.tensors[f"{module}.loras.lora_B"] @ f.tensors[f"{module}.loras.lora_A"]
            for w, f in zip(weights, files, strict=True)
            if f"{module}.loras.lora_B" in f.tensors
        )

    return delta


def scaled(*files: File) -> Callable[[str], Any]:
    """The product of the vectors that multiply a module's output; 1 where there is none."""

    def factor(module: str) -> Any:
        found = [f.tensors.get(f"{module}.loras.lora_B") for f in files]
        return math.prod([v.flatten() for v in found if v is not None], start=1)  # type: ignore[type-var]

    return factor


# --- the model ---------------------------------------------------------------------------------


class Reference:
    """An encoder from a state dict of transformers' XLM-R or RoBERTa."""

    def __init__(self, weights: Mapping[str, torch.Tensor], config: Any) -> None:
        self.weights = {key: tensor.double() for key, tensor in weights.items()}
        self.config = config

    def hidden(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        *,
        invertible: File | None = None,
        after: Any = None,
        delta: Callable[[str], Any] = lambda _: 0,
        factor: Callable[[str], Any] = lambda _: 1,
    ) -> torch.Tensor:
        """Last hidden states ``[batch, tokens, hidden]``."""
        after = after or stacked()
        states = coupling(invertible, self._embed(input_ids))
        mask = (1 - attention_mask.double())[:, None, None, :] * -1e9

        for layer in range(self.config.num_hidden_layers):
            at = f"encoder.layer.{layer}"

            def dense(name: str, x: torch.Tensor, at: str = at) -> torch.Tensor:
                module = f"{at}.{name}"
                weight = self.weights[module + ".weight"] + delta(module)
                return linear(x, weight, self.weights[module + ".bias"]) * factor(module)

            states = self._attend(at, dense, states, mask)
            inner = torch.nn.functional.gelu(dense("intermediate.dense", states))
            states = after(
                layer, dense("output.dense", inner), states, self._norm(f"{at}.output.LayerNorm")
            )
        return states

    def logits(self, head: Weights, **how: Any) -> torch.Tensor:
        """A classification head of two layers on the first token."""
        [first, second] = sorted({key.rpartition(".")[0] for key in head})
        inner = torch.tanh(
            linear(self.hidden(**how)[:, 0], head[first + ".weight"], head[first + ".bias"])
        )
        return linear(inner, head[second + ".weight"], head[second + ".bias"])

    def _embed(self, ids: torch.Tensor) -> torch.Tensor:
        w, pad = self.weights, self.config.pad_token_id
        real = (ids != pad).long()
        positions = real.cumsum(1) * real + pad
        total = (
            w["embeddings.word_embeddings.weight"][ids]
            + w["embeddings.position_embeddings.weight"][positions]
            + w["embeddings.token_type_embeddings.weight"][0]
        )
        return self._norm("embeddings.LayerNorm")(total)

    def _attend(self, at: str, dense: Any, states: Any, mask: Any) -> torch.Tensor:
        heads = self.config.num_attention_heads

        def split(name: str) -> torch.Tensor:
            out = dense(f"attention.self.{name}", states)
            return out.unflatten(-1, (heads, -1)).transpose(1, 2)

        query, key, value = map(split, ("query", "key", "value"))
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1]) + mask
        context = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
        out = dense("attention.output.dense", context)
        return self._norm(f"{at}.attention.output.LayerNorm")(out + states)

    def _norm(self, name: str) -> Any:
        weight, bias = self.weights[name + ".weight"], self.weights[name + ".bias"]
        eps = self.config.layer_norm_eps
        return lambda x: layer_norm(x, weight.shape, weight, bias, eps)
