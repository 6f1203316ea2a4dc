"""Prefixes in the folders of PEFT, which saves what its projection makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.errors import UnsupportedAdapterError
from xlmerge.plugin import Bundle, Claim, FileHalf
from xlmerge_standard.architectures.refusals import refuse

from .matrices import join, parameters_of, space_of_prefix, split

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlmerge.plugin import FolderHeader
    from xlmerge.spaces import Array

__all__ = ["in_peft"]

_TENSOR = "prompt_embeddings"
_SETTINGS = frozenset(
    {"num_virtual_tokens", "num_layers", "num_transformer_submodules"}
    # What the tensor's shape tells too, or training alone reads.
    | {"token_dim", "num_attention_heads", "encoder_hidden_size", "prefix_projection"}
    | {"init_weights"}
)


def _claim(header: FolderHeader) -> Claim | None:
    config = header.config
    if config.get("peft_type") != "PREFIX_TUNING" or _TENSOR not in header.tensors:
        return None
    if config.get("num_transformer_submodules") not in (1, None):
        raise refuse(
            header,
            "num_transformer_submodules",
            "prefixes of encoder-decoder models are not covered",
        )
    length, count = config.get("num_virtual_tokens"), config.get("num_layers")
    shape = header.tensors[_TENSOR].shape
    if not isinstance(length, int) or not isinstance(count, int) or count < 1:
        raise UnsupportedAdapterError(
            f"{header.path}: a prefix needs `num_virtual_tokens` and `num_layers`; found "
            f"{length!r} and {count!r}"
        )
    if len(shape) != 2 or shape[0] != length or shape[1] % (2 * count):
        raise UnsupportedAdapterError(
            f"{header.path}: {_TENSOR}: expected ({length}, 2 * {count} * width), found {shape}"
        )
    bundle = Bundle(
        keys={_TENSOR: _TENSOR},
        parameters=parameters_of(range(count), length, shape[1] // (2 * count)),
    )
    meaning = {"num_virtual_tokens": length, "num_layers": count}
    return Claim(bundles=(bundle,), meaning=meaning, config_keys=_SETTINGS)


def _decode(bundle: Bundle, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """The matrices."""
    return split(bundle, tensors[_TENSOR])


def _encode(
    bundle: Bundle, points: Mapping[str, Any], want: Mapping[str, float]
) -> dict[str, Array]:
    """One row a virtual token."""
    del want
    joined = join(bundle, points)
    return {_TENSOR: joined.reshape((joined.shape[0], -1))}


def _configure(
    config: Mapping[str, Any], written: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    """What lies in the file are the prefixes themselves, with no projection before them."""
    del written
    return {**config, "prefix_projection": False}


in_peft = FileHalf(
    format="peft",
    claim=_claim,
    space=space_of_prefix,
    decode=_decode,
    encode=_encode,
    configure=_configure,
    transport_options=("prefix_rule", "prefix_ridge"),
)
