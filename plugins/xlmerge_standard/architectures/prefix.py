"""Prefix tuning of both libraries: keys and values put before those of the text, one p x d matrix each a layer.

Both store all matrices in one tensor, as ``[p, 2 * layers, d]`` with key and value of a layer side by side. A prefix
that `adapters` reparametrises through an MLP is evaluated first (averaging the MLP's weights would not average the
prefixes) and written flat.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from xlmerge.errors import UnsupportedAdapterError
from xlmerge.plugin import AdapterArchitecture, AtLeast, Bundle, Claim, FileHalf, Parameter
from xlmerge.spaces import PrefixSpace

from .layers import refuse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xlmerge.plugin import FolderHeader
    from xlmerge.spaces import Array, Observe, Space


def _space(
    peers: Sequence[Parameter],
    observe: Observe,
    *,
    prefix_rule: Annotated[
        Literal["pseudo_inverse", "ridge"], "how a gap is carried over: the paper's rule, or one that stays calm"
    ] = "pseudo_inverse",
    prefix_ridge: Annotated[
        float, AtLeast(0, open=True), "strength of the ridge rule, as a share of the mean squared singular value"
    ] = 1e-2,
) -> Space[Any, Any]:
    """The space of the keys or values of one layer."""
    del peers
    return PrefixSpace(rule=prefix_rule, ridge=prefix_ridge, observe=observe)


def _parameters(layers: Sequence[int], length: int, width: int) -> tuple[Parameter, ...]:
    """Key and value of each layer, in the order in which they are stored."""
    return tuple(
        Parameter(
            name=f"prefix.layer.{layer}.{what}", part="prefix", layer=layer, site=f"prefix.{what}", shape=(length, width)
        )
        for layer in layers
        for what in ("key", "value")
    )


def _split(bundle: Bundle, flat: Array) -> dict[str, Array]:
    """The matrices out of the stored tensor."""
    length, width = bundle.parameters[0].shape
    stacked = flat.reshape((length, len(bundle.parameters), width))
    return {parameter.name: stacked[:, index, :] for index, parameter in enumerate(bundle.parameters)}


def _join(bundle: Bundle, points: Mapping[str, Any]) -> Array:
    """The stored tensor, ``[p, 2 * layers, d]``."""
    import numpy as np

    return np.stack([points[parameter.name] for parameter in bundle.parameters], axis=1)


# --- adapters -------------------------------------------------------------------------------------------------

_ROOT = "prefix_tuning.prefix_tunings.{name}.self_prefix."
_POOL = re.compile(r".+\.prefix_tuning\.pool\.prefix_tunings\.\{name\}\.self_prefix\.(?P<role>.+)")
_MLP = ("wte.weight", "control_trans.0.weight", "control_trans.0.bias", "control_trans.2.weight", "control_trans.2.bias")
_KEYS = frozenset(
    {"architecture", "flat", "prefix_length", "bottleneck_size", "non_linearity", "dropout", "leave_out", "use_gating"}
    # `cross_prefix` and `encoder_prefix` are for encoder-decoder models, whose keys are not claimed.
    | {"shared_gating", "init_weights_seed", "encoder_prefix", "cross_prefix"}
)


def _claim_adapters(header: FolderHeader) -> Claim | None:
    config = header.config
    if config.get("architecture") != "prefix_tuning":
        return None
    if config.get("use_gating"):
        raise refuse(header, "use_gating: true", "a gate is a function of the input")
    roles = ("control_trans",) if config.get("flat") else _MLP
    keys = {role: _ROOT + role for role in roles}
    missing = [key for key in keys.values() if key not in header.tensors]
    if missing:
        if not any("prefix_tunings" in key for key in header.tensors):
            return None
        raise UnsupportedAdapterError(
            f"{header.path}: a {'flat' if config.get('flat') else 'reparametrised'} prefix needs {', '.join(missing)}"
        )
    if not config.get("flat") and str(config.get("non_linearity", "tanh")).lower() != "tanh":
        raise refuse(
            header, f"non_linearity: {config['non_linearity']}", "only tanh prefixes are evaluated without a model",
        )
    copies = {
        key: match["role"] for key in header.tensors if (match := _POOL.fullmatch(key)) and match["role"] in roles
    }
    length = config.get("prefix_length")
    total = _stored_numbers(header, keys)
    width = header.hidden_size
    if not isinstance(length, int) or width is None:
        raise UnsupportedAdapterError(f"{header.path}: a prefix needs `prefix_length` and `hidden_size`")
    layers, width = _layers(header, config.get("leave_out") or (), copies, total, length)
    if not config.get("flat") and header.tensors[keys["wte.weight"]].shape[0] != length:
        raise UnsupportedAdapterError(
            f"{header.path}: `prefix_length` is {length}; wte.weight has {header.tensors[keys['wte.weight']].shape[0]} rows"
        )
    flat_copies = {re.sub(r"self_prefix\..+", "self_prefix.control_trans", key): "control_trans" for key in copies}
    bundle = Bundle(
        keys=keys,
        parameters=_parameters(layers, length, width),
        copies=copies,
        writes={"control_trans": _ROOT + "control_trans"},
        write_copies=flat_copies,
    )
    meaning = {"kind": "prefix", "prefix_length": length, "leave_out": sorted(config.get("leave_out") or ())}
    return Claim(bundles=(bundle,), meaning=meaning, config_keys=_KEYS)


def _stored_numbers(header: FolderHeader, keys: Mapping[str, str]) -> int:
    """How many numbers all prefixes of a row sum to: the flat tensor's size, or the MLP's output."""
    if "control_trans" in keys:
        [total] = header.tensors[keys["control_trans"]].shape
        return int(total)
    rows = header.tensors[keys["wte.weight"]].shape[0]
    return int(rows * header.tensors[keys["control_trans.2.bias"]].shape[0])


def _layers(
    header: FolderHeader, left_out: Sequence[int], copies: Mapping[str, str], total: int, length: int
) -> tuple[list[int], int]:
    """The layers that have a prefix, and the width of its matrices.

    The tensor alone does not tell a few wide layers from many narrow ones (grouped queries make keys narrower than the
    model). The copies do: `adapters` writes one for every layer of the model.
    """
    indices = {int(found[1]) for key in copies if (found := re.search(r"(?:layer|layers)\.(\d+)\.", key))}
    if indices:
        layers = sorted(indices - set(left_out))
    else:
        width = header.hidden_size or 0
        count = total // (length * 2 * width) if width else 0
        layers = [layer for layer in range(count + len(left_out)) if layer not in left_out][:count]
    if not layers or total % (length * 2 * len(layers)):
        raise UnsupportedAdapterError(
            f"{header.path}: {total} numbers do not divide into {length} rows of keys and values for {len(layers)} layers"
        )
    return layers, total // (length * 2 * len(layers))


def _decode_adapters(bundle: Bundle, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """The matrices; through the MLP where there is one (``eject_prefix_tuning`` in `adapters`)."""
    if "control_trans" in tensors:
        return _split(bundle, tensors["control_trans"])
    import numpy as np

    hidden = np.tanh(tensors["wte.weight"] @ tensors["control_trans.0.weight"].T + tensors["control_trans.0.bias"])
    return _split(bundle, hidden @ tensors["control_trans.2.weight"].T + tensors["control_trans.2.bias"])


def _encode_adapters(bundle: Bundle, points: Mapping[str, Any], want: Mapping[str, float]) -> dict[str, Array]:
    """One flat vector."""
    del want
    return {"control_trans": _join(bundle, points).reshape(-1)}


def _configure_adapters(config: Mapping[str, Any], written: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """A merged prefix is flat."""
    del written
    return {**config, "flat": True}


# --- peft -----------------------------------------------------------------------------------------------------

_PEFT_KEYS = frozenset(
    {"num_virtual_tokens", "token_dim", "num_transformer_submodules", "num_attention_heads", "num_layers"}
    | {"encoder_hidden_size", "prefix_projection", "modules_to_save", "init_weights"}
)


def _claim_peft(header: FolderHeader) -> Claim | None:
    config = header.config
    if config.get("peft_type") != "PREFIX_TUNING" or "prompt_embeddings" not in header.tensors:
        return None
    submodules = config.get("num_transformer_submodules", 1)
    if submodules not in (1, None):
        raise refuse(header, f"num_transformer_submodules: {submodules}", "encoder-decoder models are not covered")
    length, count = config.get("num_virtual_tokens"), config.get("num_layers")
    shape = header.tensors["prompt_embeddings"].shape
    if not isinstance(length, int) or not isinstance(count, int) or len(shape) != 2:
        raise UnsupportedAdapterError(
            f"{header.path}: a prefix needs `num_virtual_tokens` and `num_layers`, and prompt_embeddings of two axes"
        )
    if shape[0] != length or shape[1] % (2 * count):
        raise UnsupportedAdapterError(
            f"{header.path}: prompt_embeddings: expected ({length}, 2 * {count} * width), found {shape}"
        )
    bundle = Bundle(
        keys={"prompt_embeddings": "prompt_embeddings"},
        parameters=_parameters(range(count), length, shape[1] // (2 * count)),
    )
    meaning = {"kind": "prefix", "num_virtual_tokens": length, "num_layers": count}
    return Claim(bundles=(bundle,), meaning=meaning, config_keys=_PEFT_KEYS)


def _decode_peft(bundle: Bundle, tensors: Mapping[str, Array]) -> dict[str, Array]:
    return _split(bundle, tensors["prompt_embeddings"])


def _encode_peft(bundle: Bundle, points: Mapping[str, Any], want: Mapping[str, float]) -> dict[str, Array]:
    del want
    joined = _join(bundle, points)
    return {"prompt_embeddings": joined.reshape((joined.shape[0], -1))}


def _configure_peft(config: Mapping[str, Any], written: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """What is saved are the prefixes themselves; PEFT throws the projection away on saving."""
    del written
    return {**config, "prefix_projection": False}


prefix = AdapterArchitecture(
    name="prefix",
    summary="Trained keys and values before those of the text, in every layer.",
    source="Li and Liang 2021, arXiv 2101.00190",
    files=(
        FileHalf(
            format="adapters",
            claim=_claim_adapters,
            space=_space,
            decode=_decode_adapters,
            encode=_encode_adapters,
            configure=_configure_adapters,
        ),
        FileHalf(
            format="peft",
            claim=_claim_peft,
            space=_space,
            decode=_decode_peft,
            encode=_encode_peft,
            configure=_configure_peft,
        ),
    ),
)
