"""LoRA in the folders of `adapters`: one rank and one alpha, the scale is alpha / r."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from xlmerge.errors import UnsupportedAdapterError
from xlmerge.plugin import Claim, FileHalf
from xlmerge_standard.architectures.layers import check_layers, check_same_sites
from xlmerge_standard.architectures.refusals import refuse, refuse_any

from .factors import attributes, decode, encode, number, paired
from .space import space_of_lora

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlmerge.plugin import FolderHeader

__all__ = ["in_adapters"]

_KEY = re.compile(r"(?P<module>.+)\.loras\.\{name\}\.lora_(?P<factor>[AB])")
_SETTINGS = frozenset(
    {"architecture", "composition_mode", "r", "alpha", "leave_out"}
    # Training only, or read only by settings that are refused below.
    | {"dropout", "init_weights", "init_weights_seed", "dtype", "use_gating", "use_dora"}
    | {"vera_d", "vera_b"}
    # Where LoRA sits follows from the keys.
    | {"selfattn_lora", "intermediate_lora", "output_lora", "attn_matrices"}
)
_REFUSED = {
    "use_dora": "DoRA's magnitudes are no addition to the weights",
    "use_gating": "a gate is a function of the input, and replaces the scale",
}


def _claim(header: FolderHeader) -> Claim | None:
    config = header.config
    if config.get("architecture") != "lora" or config.get("composition_mode", "add") != "add":
        return None
    refuse_any(header, _REFUSED)
    for key in ("vera_d", "vera_b"):
        if config.get(key) is not None:  # 0.0 is VeRA too
            raise refuse(header, key, "VeRA scales random matrices that all adapters share")
    rank, alpha = config.get("r"), config.get("alpha")
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, int | float):
        raise UnsupportedAdapterError(
            f"{header.path}: LoRA needs `r` and `alpha`; found r={rank!r}, alpha={alpha!r}"
        )
    bundles = paired(header, _KEY, lambda _: (rank, alpha / rank))
    parameters = [parameter for bundle in bundles for parameter in bundle.parameters]
    check_layers(header, (parameter.layer for parameter in parameters), config.get("leave_out"))
    check_same_sites(header, (parameter.name for parameter in parameters))
    return Claim(
        bundles=bundles,
        meaning={"leave_out": sorted(config.get("leave_out") or ())},
        config_keys=_SETTINGS,
    )


def _configure(
    config: Mapping[str, Any], written: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    """The one rank and the one scale that all matrices were brought to."""
    [rank] = {int(numbers["rank"]) for numbers in written.values()}
    [scale] = {numbers["scale"] for numbers in written.values()}
    if rank == config["r"] and scale == config["alpha"] / config["r"]:
        return dict(config)
    return {**config, "r": rank, "alpha": number(scale * rank)}


in_adapters = FileHalf(
    format="adapters",
    claim=_claim,
    space=space_of_lora,
    decode=decode,
    encode=encode,
    attributes=attributes,
    configure=_configure,
    uniform=("rank",),
)
