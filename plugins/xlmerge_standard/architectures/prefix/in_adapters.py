"""Prefixes in the folders of `adapters`: flat, or produced by a network.

A prefix that is reparametrised through a network is evaluated first, since averaging the network's
weights would not average the prefixes, and written flat.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from xlmerge.errors import UnsupportedAdapterError
from xlmerge.plugin import Bundle, Claim, FileHalf
from xlmerge_standard.architectures.refusals import refuse, refuse_any

from .matrices import join, parameters_of, space_of_prefix, split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xlmerge.plugin import FolderHeader
    from xlmerge.spaces import Array

__all__ = ["in_adapters"]

_ROOT = "prefix_tuning.prefix_tunings.{name}.self_prefix."
# `adapters` stores the whole prefix once more for every layer of the model, left out or not.
_COPY = re.compile(
    r".*?layers?\.(?P<layer>\d+)\..+\.prefix_tuning\.pool\.prefix_tunings\.\{name\}"
    r"\.self_prefix\.(?P<role>.+)"
)
_FLAT = ("control_trans",)
_NETWORK = (
    "wte.weight",
    "control_trans.0.weight",
    "control_trans.0.bias",
    "control_trans.2.weight",
    "control_trans.2.bias",
)
_SETTINGS = frozenset(
    {"architecture", "flat", "prefix_length", "bottleneck_size", "non_linearity", "leave_out"}
    | {"dropout", "init_weights_seed", "use_gating", "shared_gating"}
    # For models with an encoder and a decoder, whose prefixes have other keys.
    | {"encoder_prefix", "cross_prefix"}
)
# Models whose keys are as wide as the model itself.
_UNGROUPED = ("bert", "roberta", "xlm-roberta")


def _claim(header: FolderHeader) -> Claim | None:
    config = header.config
    if config.get("architecture") != "prefix_tuning":
        return None
    refuse_any(header, {"use_gating": "a gate is a function of the input"})
    flat = bool(config.get("flat"))
    if not flat and str(config.get("non_linearity", "tanh")).lower() != "tanh":
        raise refuse(
            header, "non_linearity", "of prefix networks this version evaluates those with tanh"
        )
    roles = _FLAT if flat else _NETWORK
    keys = {role: _ROOT + role for role in roles}
    missing = [key for key in keys.values() if key not in header.tensors]
    if missing:
        raise UnsupportedAdapterError(
            f"{header.path}: a {'flat' if flat else 'reparametrised'} prefix needs "
            f"{', '.join(missing)}",
            hint="see `flat` in adapter_config.json; prefixes of encoder-decoder models are not "
            "covered",
        )
    copies = {
        key: match["role"]
        for key in header.tensors
        if (match := _COPY.fullmatch(key)) and match["role"] in roles
    }
    length, total = _sizes(header, keys)
    left_out = sorted(config.get("leave_out") or ())
    layers = _layers(header, left_out, copies, total, length)
    width = total // (length * 2 * len(layers))
    bundle = Bundle(
        keys=keys,
        parameters=parameters_of(layers, length, width),
        copies=copies,
        writes={"control_trans": _ROOT + "control_trans"},
        write_copies={_flat_copy(key): "control_trans" for key in copies},
    )
    meaning = {"prefix_length": length, "leave_out": left_out}
    return Claim(bundles=(bundle,), meaning=meaning, config_keys=_SETTINGS)


def _flat_copy(key: str) -> str:
    """Where a layer's copy of a flat prefix stands."""
    return re.sub(r"self_prefix\..+", "self_prefix.control_trans", key)


def _sizes(header: FolderHeader, keys: Mapping[str, str]) -> tuple[int, int]:
    """Number of virtual tokens, and of numbers in all matrices together.

    Raises:
        UnsupportedAdapterError: Tensors and configuration disagree.
    """
    length = header.config.get("prefix_length")
    if not isinstance(length, int) or length < 1:
        raise UnsupportedAdapterError(
            f"{header.path}: a prefix needs `prefix_length`; found {length!r}"
        )
    shapes = {role: header.tensors[key].shape for role, key in keys.items()}
    if "control_trans" in shapes:
        shape = shapes["control_trans"]
        if len(shape) != 1:
            raise UnsupportedAdapterError(
                f"{header.path}: {keys['control_trans']}: expected one axis, found shape {shape}"
            )
        return length, shape[0]
    tokens, inner, outer = (
        shapes[role][0] for role in ("wte.weight", "control_trans.0.bias", "control_trans.2.bias")
    )
    width = shapes["wte.weight"][-1]
    expected = {
        "wte.weight": (length, width),
        "control_trans.0.weight": (inner, width),
        "control_trans.0.bias": (inner,),
        "control_trans.2.weight": (outer, inner),
        "control_trans.2.bias": (outer,),
    }
    for role, shape in expected.items():
        if shapes[role] != shape:
            raise UnsupportedAdapterError(
                f"{header.path}: {keys[role]}: expected shape {shape}, found {shapes[role]}"
            )
    return length, tokens * outer


def _layers(
    header: FolderHeader,
    left_out: Sequence[int],
    copies: Mapping[str, str],
    total: int,
    length: int,
) -> list[int]:
    """The layers that have a prefix.

    The tensor alone does not tell a few wide layers from many narrow ones (grouped queries make
    keys narrower than the model). The copies do: there is one for every layer.

    Raises:
        UnsupportedAdapterError: The numbers do not divide into that many layers.
    """
    indices = {int(match["layer"]) for key in copies if (match := _COPY.fullmatch(key))}
    if indices:
        layers = sorted(indices - set(left_out))
    elif header.model_type in _UNGROUPED and header.hidden_size:
        count = total // (length * 2 * header.hidden_size)
        layers = [n for n in range(count + len(left_out)) if n not in left_out][:count]
    else:
        raise UnsupportedAdapterError(
            f"{header.path}: the file has no copy of the prefix for each layer, so it does not "
            "tell how many layers there are",
            hint="save the adapter with `adapters` as .bin, which writes them",
        )
    if not layers or total % (length * 2 * len(layers)):
        raise UnsupportedAdapterError(
            f"{header.path}: {total} numbers do not divide into {length} rows of keys and values "
            f"for {len(layers)} layers"
        )
    return layers


def _decode(bundle: Bundle, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """The matrices; through the network where there is one (``PrefixTuning.eject``)."""
    if "control_trans" in tensors:
        return split(bundle, tensors["control_trans"])
    import numpy as np

    tokens = tensors["wte.weight"]
    inner = tokens @ tensors["control_trans.0.weight"].T + tensors["control_trans.0.bias"]
    outer = np.tanh(inner) @ tensors["control_trans.2.weight"].T + tensors["control_trans.2.bias"]
    return split(bundle, outer)


def _encode(
    bundle: Bundle, points: Mapping[str, Any], want: Mapping[str, float]
) -> dict[str, Array]:
    """One flat vector."""
    del want
    return {"control_trans": join(bundle, points).reshape(-1)}


def _configure(
    config: Mapping[str, Any], written: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    """A merged prefix is flat."""
    del written
    return {**config, "flat": True}


in_adapters = FileHalf(
    format="adapters",
    claim=_claim,
    space=space_of_prefix,
    decode=_decode,
    encode=_encode,
    configure=_configure,
    transport_options=("prefix_rule", "prefix_ridge"),
)
