"""Tensors and settings as `adapters` writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from builders.layouts import HIDDEN, LAYERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from builders.layouts import Model

    Draw = Callable[..., Any]
    Made = tuple[dict[str, Any], dict[str, Any]]

__all__ = ["MAKERS", "copies"]

BOTTLENECK: dict[str, Any] = {
    "mh_adapter": False,
    "output_adapter": True,
    "reduction_factor": 2,
    "non_linearity": "relu",
    "original_ln_before": True,
    "original_ln_after": True,
    "ln_before": False,
    "ln_after": False,
    "init_weights": "bert",
    "init_weights_seed": None,
    "is_parallel": False,
    "scaling": 1.0,
    "use_gating": False,
    "residual_before_ln": True,
    "adapter_residual_before_ln": False,
    "inv_adapter": None,
    "inv_adapter_reduction_factor": None,
    "cross_adapter": False,
    "leave_out": [],
    "dropout": 0.0,
    "phm_layer": False,
    "phm_dim": 4,
    "factorized_phm_W": True,
    "shared_W_phm": False,
    "shared_phm_rule": True,
    "factorized_phm_rule": False,
    "phm_c_init": "normal",
    "phm_init_range": 0.0001,
    "learn_phm": True,
    "hypercomplex_nonlinearity": "glorot-uniform",
    "phm_rank": 1,
    "phm_bias": True,
    "stochastic_depth": 0.0,
}
LORA: dict[str, Any] = {
    "architecture": "lora",
    "selfattn_lora": True,
    "intermediate_lora": True,
    "output_lora": False,
    "leave_out": [],
    "r": 2,
    "alpha": 4,
    "dropout": 0.0,
    "attn_matrices": ["q", "v"],
    "composition_mode": "add",
    "init_weights": "lora",
    "init_weights_seed": None,
    "use_gating": False,
    "use_dora": False,
    "vera_d": None,
    "vera_b": None,
    "dtype": None,
}
PREFIX: dict[str, Any] = {
    "architecture": "prefix_tuning",
    "encoder_prefix": True,
    "cross_prefix": True,
    "leave_out": [],
    "flat": False,
    "prefix_length": 3,
    "bottleneck_size": 4,
    "non_linearity": "tanh",
    "dropout": 0.0,
    "use_gating": False,
    "shared_gating": True,
    "init_weights_seed": None,
}
SELF = "self_prefix."


def _module(root: str, inner: int, draw: Draw) -> dict[str, Any]:
    return {
        f"{root}.adapters.{{name}}.adapter_down.0.weight": draw(inner, HIDDEN),
        f"{root}.adapters.{{name}}.adapter_down.0.bias": draw(inner),
        f"{root}.adapters.{{name}}.adapter_up.weight": draw(HIDDEN, inner),
        f"{root}.adapters.{{name}}.adapter_up.bias": draw(HIDDEN),
    }


def _bottleneck(model: Model, draw: Draw, settings: dict[str, Any]) -> Made:
    config = {**BOTTLENECK, **settings}
    inner = int(HIDDEN // config["reduction_factor"])
    arrays: dict[str, Any] = {}
    for layer in range(LAYERS):
        if layer in config["leave_out"]:
            continue
        root = model.layer.format(layer)
        if config["mh_adapter"]:
            arrays |= _module(root + model.after_attention, inner, draw)
        if config["output_adapter"]:
            arrays |= _module(root + model.after_ffn, inner, draw)
    if config["inv_adapter"]:
        half = HIDDEN // 2
        width = int(half // config["inv_adapter_reduction_factor"])
        for net in "FG":
            root = f"invertible_adapters.{{name}}.{net}"
            arrays[f"{root}.0.weight"] = draw(width, half)
            arrays[f"{root}.0.bias"] = draw(width)
            arrays[f"{root}.2.weight"] = draw(half, width)
            arrays[f"{root}.2.bias"] = draw(half)
    return arrays, config


def _seq_bn(model: Model, draw: Draw, **settings: Any) -> Made:
    return _bottleneck(model, draw, settings)


def _seq_bn_inv(model: Model, draw: Draw, **settings: Any) -> Made:
    nice = {"inv_adapter": "nice", "inv_adapter_reduction_factor": 2}
    return _bottleneck(model, draw, {**nice, **settings})


def _double(model: Model, draw: Draw, **settings: Any) -> Made:
    double = {"mh_adapter": True, "original_ln_before": False, "non_linearity": "swish"}
    return _bottleneck(model, draw, {**double, **settings})


def _par(model: Model, draw: Draw, **settings: Any) -> Made:
    parallel = {"is_parallel": True, "original_ln_before": False, "scaling": 4.0}
    return _bottleneck(model, draw, {**parallel, "init_weights": "mam_adapter", **settings})


def _lora(model: Model, draw: Draw, **settings: Any) -> Made:
    config = {**LORA, **settings}
    rank = config["r"]
    arrays: dict[str, Any] = {}
    for layer in range(LAYERS):
        if layer in config["leave_out"]:
            continue
        root = model.layer.format(layer)
        # Llama's map down goes from the wide side to the narrow one, named "intermediate" there.
        inputs = 12 if model.type == "llama" else HIDDEN
        places = {
            model.attention["query"]: (HIDDEN, HIDDEN),
            model.attention["value"]: (HIDDEN, HIDDEN),
            model.intermediate[0]: (model.intermediate[1], inputs),
        }
        for place, (out, into) in places.items():
            arrays[f"{root}{place}.loras.{{name}}.lora_A"] = draw(rank, into)
            arrays[f"{root}{place}.loras.{{name}}.lora_B"] = draw(out, rank)
    return arrays, config


def _ia3(model: Model, draw: Draw, **settings: Any) -> Made:
    scaled = {"composition_mode": "scale", "init_weights": "ia3", "attn_matrices": ["k", "v"]}
    config = {**LORA, **scaled, "r": 1, "alpha": 1, **settings}
    arrays = {}
    for layer in range(LAYERS):
        root = model.layer.format(layer)
        for place, width in (
            (model.attention["key"], HIDDEN),
            (model.attention["value"], HIDDEN),
            model.intermediate,
        ):
            arrays[f"{root}{place}.loras.{{name}}.lora_B"] = 1 + draw(width, 1)
    return arrays, config


def _prefix(model: Model, draw: Draw, **settings: Any) -> Made:
    config = {**PREFIX, **settings}
    length, inner = config["prefix_length"], config["bottleneck_size"]
    total = 2 * LAYERS * HIDDEN
    root = "prefix_tuning.prefix_tunings.{name}." + SELF
    del model
    if config["flat"]:
        return {root + "control_trans": draw(length * total)}, config
    return {
        root + "wte.weight": draw(length, HIDDEN),
        root + "control_trans.0.weight": draw(inner, HIDDEN),
        root + "control_trans.0.bias": draw(inner),
        root + "control_trans.2.weight": draw(total, inner),
        root + "control_trans.2.bias": draw(total),
    }, config


def _prefix_flat(model: Model, draw: Draw, **settings: Any) -> Made:
    return _prefix(model, draw, flat=True, **settings)


def copies(model: Model, keys: list[str]) -> dict[str, str]:
    """Further keys under which a prefix is stored, once a layer, to the key they repeat."""
    attention = "self_attn" if model.type == "llama" else "attention.self"
    return {
        f"{model.layer.format(layer)}{attention}.prefix_tuning.pool.{key.partition('.')[2]}": key
        for layer in range(LAYERS)
        for key in keys
        if key.startswith("prefix_tuning.")
    }


MAKERS = {
    "seq_bn": _seq_bn,
    "seq_bn_inv": _seq_bn_inv,
    "double_seq_bn": _double,
    "par_bn": _par,
    "lora": _lora,
    "ia3": _ia3,
    "prefix": _prefix,
    "prefix_flat": _prefix_flat,
}
