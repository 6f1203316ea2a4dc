"""Which options of the trainer go together, told before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.errors import ModelError, ParameterError
from xlmerge_metaxl.architectures.rtn import layers_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["check_options", "check_used"]

_FOR_META = (*("halves", "algorithm", "main_gradient", "inner", "objective", "meta_learning_rate"),)
"""Of no effect unless networks are meta-learned."""

_FOR_NETWORKS = (
    *("layers", "reduction_factor", "gate", "stop_gradient", "init", "shared_network"),
)
"""Of no effect unless there are networks."""


def check_used(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Refuse options that would be ignored.

    Args:
        values: Of all options.
        defaults: Of all options: what equals its default was not asked for.

    Raises:
        ParameterError: One has no effect beside the others.
    """
    network = values["network"]
    unused = {"meta": (), "joint": _FOR_META, "none": (*_FOR_META, *_FOR_NETWORKS)}[network]
    for name in unused:
        value = values[name]
        if value != defaults[name]:
            shown = list(value) if isinstance(value, tuple) else value
            raise ParameterError(
                f"`{name}: {shown}` has no effect with `network: {network}`",
                hint="leave one of both out",
            )


def check_options(values: Mapping[str, Any], base: Mapping[str, Any]) -> None:
    """Refuse options that have no meaning together, or not with the base model.

    Args:
        values: Of all options.
        base: Configuration of the base model; what it does not tell is not checked.

    Raises:
        ModelError: Networks do not fit the base model.
        ParameterError: Options do not go together.
    """
    network = values["network"]
    if values["bf16"]:
        raise ParameterError(
            "metaxl computes in float32; `bf16` rounds what the hypergradient is a difference of",
            hint="leave it out",
        )
    if values.get("dtype") in {"bfloat16", "float16"}:
        raise ParameterError(
            f"metaxl computes in float32 or float64; found `dtype: {values['dtype']}`",
            hint="leave it out",
        )
    if network == "meta":
        _check_meta(values)
    elif network == "joint" and values["gradient_checkpointing"]:
        raise ParameterError(
            "`gradient_checkpointing` computes layers again without their networks",
            hint="leave it out; `network: none` can do with it",
        )
    if network != "none":
        _check_places(values, base)


def _check_meta(values: Mapping[str, Any]) -> None:
    """What second derivatives and two halves ask for."""
    several = len(values["layers"]) > 1 and values["stop_gradient"]
    if values["algorithm"] == "forward_over_reverse" and several:
        raise ParameterError(
            "`forward_over_reverse` is wrong for networks at several layers whose input is a "
            "constant: it would take it for constant in the hypergradient, too",
            hint="take `double_backward` or `split_difference`, or `stop_gradient: false`",
        )
    if values["target_batch_size"] is None and values["batch_size"] == 1:
        raise ParameterError(
            "`batch_size` is 1, and so is that of the target, of which half is to evaluate by",
            hint="give `target_batch_size`: 2 or more",
        )
    if values["gradient_checkpointing"]:
        raise ParameterError(
            "`gradient_checkpointing` computes layers again in a backward pass that is "
            "differentiated itself",
            hint="`algorithm: split_difference` needs as little memory for networks after the last "
            "layer",
        )


def _check_places(values: Mapping[str, Any], base: Mapping[str, Any]) -> None:
    """The base model has the layers and the width."""
    if base.get("is_encoder_decoder"):
        raise ModelError(
            "networks sit between the layers of one stack; the base model has an encoder and a "
            "decoder",
            hint="take an encoder, or a decoder alone; `network: none` takes any",
        )
    names = ("num_hidden_layers", "n_layers", "n_layer")
    depth = next((base[name] for name in names if type(base.get(name)) is int), None)
    if depth is not None:
        layers_of(values["layers"], depth)
    width = base.get("hidden_size")
    if type(width) is int and values["reduction_factor"] > width:
        raise ModelError(
            f"`reduction_factor` is at most {width}, the width of the base model; found "
            f"{values['reduction_factor']:g}"
        )
