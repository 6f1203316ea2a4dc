"""(IA)³ of both libraries: a vector that scales the output (or, in PEFT's feed-forward modules, the input) of a map."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

from xlmerge.errors import UnsupportedAdapterError
from xlmerge.plugin import AdapterArchitecture, AtLeast, Bundle, Claim, FileHalf, Parameter
from xlmerge.spaces import MultiplicativeSpace

from .layers import check_layers, refuse, split_layer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xlmerge.plugin import FolderHeader
    from xlmerge.spaces import Array, Observe, Space


def _space(
    peers: Sequence[Parameter],
    observe: Observe,
    *,
    ridge: Annotated[
        float, AtLeast(0, open=True), "below this share of the median, a ratio is drawn towards 1 (transport only)"
    ] = 1e-3,
) -> Space[Any, Any]:
    """The space of one scaling vector."""
    del peers
    return MultiplicativeSpace(ridge=ridge, observe=observe)


def _claim(
    header: FolderHeader, key: re.Pattern[str], role: str, scale: float, meaning: Mapping[str, Any], keys: frozenset[str]
) -> Claim | None:
    bundles = []
    for name, tensor in header.tensors.items():
        if (match := key.fullmatch(name)) is None:
            continue
        if len(tensor.shape) != 2 or 1 not in tensor.shape:
            raise UnsupportedAdapterError(
                f"{header.path}: {name}: expected a vector of shape (n, 1) or (1, n), found {tensor.shape}"
            )
        layer, site = split_layer(match["module"])
        parameter = Parameter(
            name=match["module"],
            part="ia3",
            layer=layer,
            site=site,
            shape=tensor.shape,
            attributes={"scale": scale},
        )
        bundles.append(Bundle(keys={role: name}, parameters=(parameter,)))
    return Claim(bundles=tuple(bundles), meaning=meaning, config_keys=keys) if bundles else None


def _decode(bundle: Bundle, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """The vector with the scale multiplied in: what the map's output is multiplied with."""
    [parameter], [vector] = bundle.parameters, tensors.values()
    scale = parameter.attributes["scale"]
    return {parameter.name: vector if scale == 1 else vector * scale}


def _encode(bundle: Bundle, points: Mapping[str, Any], want: Mapping[str, float]) -> dict[str, Array]:
    """The vector as stored, the scale divided out again."""
    del want
    [parameter], [role] = bundle.parameters, bundle.keys
    scale = parameter.attributes["scale"]
    point = points[parameter.name]
    return {role: point if scale == 1 else point / scale}


_ADAPTERS_KEY = re.compile(r"(?P<module>.+)\.loras\.\{name\}\.lora_B")
_ADAPTERS_KEYS = frozenset(
    {"architecture", "dropout", "init_weights", "init_weights_seed", "composition_mode", "use_gating", "use_dora"}
    | {"selfattn_lora", "intermediate_lora", "output_lora", "attn_matrices", "leave_out", "vera_d", "vera_b", "dtype"}
    | {"r", "alpha"}
)


def _claim_adapters(header: FolderHeader) -> Claim | None:
    config = header.config
    if config.get("architecture") != "lora" or config.get("composition_mode") != "scale":
        return None
    if config.get("use_gating"):
        raise refuse(header, "use_gating: true", "a gate is a function of the input, and replaces the scale")
    alpha = config.get("alpha", 1)
    if config.get("r") != 1 or not isinstance(alpha, int | float) or alpha == 0:
        raise UnsupportedAdapterError(
            f"{header.path}: (IA)³ has r = 1 and an alpha other than 0; found r={config.get('r')!r}, alpha={alpha!r}"
        )
    claim = _claim(
        header,
        _ADAPTERS_KEY,
        "lora_B",
        float(alpha),
        {"kind": "(IA)³", "leave_out": sorted(config.get("leave_out") or ())},
        _ADAPTERS_KEYS,
    )
    if claim is not None:
        layers = [bundle.parameters[0].layer for bundle in claim.bundles]
        check_layers(header, [layer for layer in layers if layer is not None], config.get("leave_out"))
    return claim


_PEFT_KEY = re.compile(r"(?P<module>.+)\.ia3_l")
_PEFT_KEYS = frozenset(
    {"target_modules", "exclude_modules", "feedforward_modules", "fan_in_fan_out", "init_ia3_weights", "modules_to_save"}
)


def _claim_peft(header: FolderHeader) -> Claim | None:
    config = header.config
    if config.get("peft_type") != "IA3":
        return None
    feedforward = config.get("feedforward_modules") or []
    meaning = {
        "kind": "(IA)³",
        "feedforward_modules": feedforward if isinstance(feedforward, str) else sorted(feedforward),
        "fan_in_fan_out": bool(config.get("fan_in_fan_out")),
    }
    return _claim(header, _PEFT_KEY, "ia3_l", 1.0, meaning, _PEFT_KEYS)


ia3 = AdapterArchitecture(
    name="ia3",
    summary="A vector that multiplies keys, values and feed-forward activations.",
    source="Liu et al. 2022, arXiv 2205.05638",
    files=(
        FileHalf(format="adapters", claim=_claim_adapters, space=_space, decode=_decode, encode=_encode),
        FileHalf(format="peft", claim=_claim_peft, space=_space, decode=_decode, encode=_encode),
    ),
)
