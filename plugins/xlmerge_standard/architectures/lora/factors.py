"""The two factors of a LoRA matrix: claimed, read and written in the same way in both libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.errors import UnsupportedAdapterError
from xlmerge.plugin import Bundle, Parameter
from xlmerge.spaces import LowRank
from xlmerge_standard.architectures.layers import split_layer

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Mapping

    from xlmerge.plugin import FolderHeader
    from xlmerge.spaces import Array

__all__ = ["Scale", "attributes", "decode", "encode", "number", "paired"]

Scale = tuple[int, float]
"""Rank and scale of one module, as the configuration gives them."""


def paired(
    header: FolderHeader, key: re.Pattern[str], scale_of: Callable[[str], Scale]
) -> tuple[Bundle, ...]:
    """Pair the factors of every module, and check their shapes against the configured rank.

    Args:
        header: The folder.
        key: Canonical key of a factor, with the groups ``module`` and ``factor``.
        scale_of: Module to its rank and scale.

    Raises:
        UnsupportedAdapterError: A factor has no partner, or not the shape it should have.
    """
    modules: dict[str, dict[str, str]] = {}
    for name in header.tensors:
        if match := key.fullmatch(name):
            modules.setdefault(match["module"], {})[f"lora_{match['factor']}"] = name
    return tuple(_pair(header, module, keys, scale_of) for module, keys in modules.items())


def _pair(
    header: FolderHeader, module: str, keys: Mapping[str, str], scale_of: Callable[[str], Scale]
) -> Bundle:
    if len(keys) != 2:
        [present] = keys
        raise UnsupportedAdapterError(
            f"{header.path}: {module} has {present} without its partner",
            hint="the file is incomplete: save the adapter again",
        )
    right, left = (header.tensors[keys[role]].shape for role in ("lora_A", "lora_B"))
    rank, scale = scale_of(module)
    if len(right) != 2 or len(left) != 2:
        raise UnsupportedAdapterError(
            f"{header.path}: {module}: LoRA on a convolution (A of shape {right}) is not merged by "
            "this version"
        )
    if right[0] != rank or left[1] != rank:
        raise UnsupportedAdapterError(
            f"{header.path}: {module}: the configuration gives rank {rank}, A has shape {right} "
            f"and B {left}",
            hint="adapter_config.json is of another adapter, or was edited",
        )
    layer, site = split_layer(module)
    parameter = Parameter(
        name=module,
        part="lora",
        layer=layer,
        site=site,
        shape=(left[0], right[1]),
        attributes={"rank": float(rank), "scale": scale},
    )
    return Bundle(keys=dict(sorted(keys.items())), parameters=(parameter,))


def decode(bundle: Bundle, tensors: Mapping[str, Array]) -> dict[str, LowRank]:
    """A ``[r, in]`` and B ``[out, r]`` with the configured scale."""
    [parameter] = bundle.parameters
    scale = parameter.attributes["scale"]
    return {parameter.name: LowRank(tensors["lora_B"], tensors["lora_A"], scale)}


def encode(
    bundle: Bundle, points: Mapping[str, Any], want: Mapping[str, float]
) -> dict[str, Array]:
    """A and B, padded with zeros to a wanted rank (which changes nothing they do)."""
    import numpy as np

    [parameter] = bundle.parameters
    point: LowRank = points[parameter.name]
    left, right = point.left, point.right
    missing = int(want.get("rank", 0)) - point.rank
    if missing > 0:
        left = np.concat([left, np.zeros((left.shape[0], missing), left.dtype)], axis=1)
        right = np.concat([right, np.zeros((missing, right.shape[1]), right.dtype)], axis=0)
    return {"lora_A": right, "lora_B": left}


def attributes(parameter: Parameter, point: Any) -> dict[str, float]:
    """Rank and scale, which the configuration has to tell."""
    del parameter
    return {"rank": float(point.rank), "scale": point.scale}


def number(value: float) -> float:
    """A whole number as one, which is how both libraries write alpha and r."""
    return int(value) if value == int(value) else value
