"""Tensors and settings as PEFT writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from builders.layouts import HIDDEN, LAYERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from builders.layouts import Model

    Draw = Callable[..., Any]
    Made = tuple[dict[str, Any], dict[str, Any]]

__all__ = ["MAKERS"]

COMMON: dict[str, Any] = {
    "auto_mapping": None,
    "inference_mode": True,
    "modules_to_save": None,
    "peft_version": "0.21.2",
    "revision": None,
    "task_type": None,
}
LORA: dict[str, Any] = {
    **COMMON,
    "alora_invocation_tokens": None,
    "alpha_pattern": {},
    "bias": "none",
    "ensure_weight_tying": False,
    "exclude_modules": None,
    "fan_in_fan_out": False,
    "init_lora_weights": True,
    "layer_replication": None,
    "layers_pattern": None,
    "layers_to_transform": None,
    "loftq_config": {},
    "lora_alpha": 4,
    "lora_bias": False,
    "lora_dropout": 0.0,
    "megatron_config": None,
    "megatron_core": "megatron.core",
    "peft_type": "LORA",
    "qalora_group_size": 16,
    "r": 2,
    "rank_pattern": {},
    "target_parameters": None,
    "trainable_token_indices": None,
    "use_dora": False,
    "use_qalora": False,
    "use_rslora": False,
}


def _last(place: str) -> str:
    return place.rpartition(".")[2]


def _lora(
    model: Model, draw: Draw, *, ranks: dict[str, int] | None = None, **settings: Any
) -> Made:
    """``ranks`` maps ends of module paths to ranks that differ from ``r``."""
    places = [model.attention["query"], model.attention["value"]]
    config = {**LORA, "target_modules": sorted(map(_last, places)), **settings}
    if ranks:
        config["rank_pattern"] = ranks
    chosen = config["layers_to_transform"]
    arrays = {}
    for layer in range(LAYERS):
        if chosen is not None and layer not in chosen:
            continue
        for place in places:
            path = model.layer.format(layer) + place
            rank = next(
                (rank for end, rank in (ranks or {}).items() if path.endswith(end)), config["r"]
            )
            arrays[f"{path}.lora_A.weight"] = draw(rank, HIDDEN)
            arrays[f"{path}.lora_B.weight"] = draw(HIDDEN, rank)
    return arrays, config


def _rslora(model: Model, draw: Draw, **settings: Any) -> Made:
    return _lora(model, draw, **{"use_rslora": True, **settings})


def _lora_patterns(model: Model, draw: Draw, **settings: Any) -> Made:
    """Another rank for the values, another alpha for the queries of the second layer."""
    first = model.layer.format(1)
    patterns = {
        "ranks": {_last(model.attention["value"]): 3},
        "alpha_pattern": {first + model.attention["query"]: 6},
    }
    return _lora(model, draw, **{**patterns, **settings})


def _ia3(model: Model, draw: Draw, **settings: Any) -> Made:
    feedforward = model.intermediate[0]
    places = [model.attention["key"], model.attention["value"], feedforward]
    config = {
        **COMMON,
        "exclude_modules": None,
        "fan_in_fan_out": False,
        "feedforward_modules": [feedforward],
        "init_ia3_weights": True,
        "peft_type": "IA3",
        "target_modules": places,
        **settings,
    }
    inputs = 12 if model.type == "llama" else HIDDEN
    arrays = {}
    for layer in range(LAYERS):
        for place in places:
            shape = (1, inputs) if place == feedforward else (HIDDEN, 1)
            arrays[f"{model.layer.format(layer)}{place}.ia3_l"] = 1 + draw(*shape)
    return arrays, config


def _prefix(model: Model, draw: Draw, **settings: Any) -> Made:
    del model
    config = {
        **COMMON,
        "encoder_hidden_size": HIDDEN,
        "init_weights": None,
        "num_attention_heads": 2,
        "num_layers": LAYERS,
        "num_transformer_submodules": 1,
        "num_virtual_tokens": 3,
        "peft_type": "PREFIX_TUNING",
        "prefix_projection": False,
        "token_dim": HIDDEN,
        **settings,
    }
    return {"prompt_embeddings": draw(config["num_virtual_tokens"], 2 * LAYERS * HIDDEN)}, config


MAKERS = {
    "peft_lora": _lora,
    "peft_rslora": _rslora,
    "peft_lora_patterns": _lora_patterns,
    "peft_ia3": _ia3,
    "peft_prefix": _prefix,
}
