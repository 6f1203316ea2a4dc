"""(IA)³ of both libraries: a vector that multiplies the output of a map.

In PEFT's feed-forward modules it multiplies the input.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

from xlmerge.errors import UnsupportedAdapterError
from xlmerge.plugin import AdapterArchitecture, AtLeast, Bundle, Claim, FileHalf, Parameter
from xlmerge.spaces import MultiplicativeSpace, array_namespace

from .configs import live_ia3
from .layers import check_layers, check_same_sites, split_layer
from .refusals import refuse_any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xlmerge.plugin import FolderHeader
    from xlmerge.spaces import Array, Observe, Space

_ADAPTERS_KEY = re.compile(r"(?P<module>.+)\.loras\.\{name\}\.(?P<role>lora_B)")
_ADAPTERS_SETTINGS = frozenset(
    {"architecture", "composition_mode", "r", "alpha", "leave_out"}
    # Training only, or read only by settings that are refused.
    | {"dropout", "init_weights", "init_weights_seed", "dtype", "use_gating", "use_dora"}
    | {"vera_d", "vera_b"}
    # Where the vectors sit follows from the keys.
    | {"selfattn_lora", "intermediate_lora", "output_lora", "attn_matrices"}
)
_PEFT_KEY = re.compile(r"(?P<module>.+)\.(?P<role>ia3_l)")
_PEFT_LEFTOVER = re.compile(r".+\.ia3_l\.(?P<name>[^.]+)")
_PEFT_SETTINGS = frozenset(
    {"target_modules", "exclude_modules", "feedforward_modules", "fan_in_fan_out"}
    | {"init_ia3_weights"}
)


def _space(
    peers: Sequence[Parameter],
    observe: Observe,
    *,
    ridge: Annotated[
        float,
        AtLeast(0, open=True),
        "below this share of the median, a ratio is drawn towards 1 (transport only)",
    ] = 1e-3,
) -> Space[Any, Any]:
    """The space of one scaling vector."""
    del peers
    return MultiplicativeSpace(ridge=ridge, observe=observe)


def _bundles(header: FolderHeader, key: re.Pattern[str], scale: float) -> tuple[Bundle, ...]:
    """One vector a module, ``[out, 1]``, or ``[1, in]`` where it multiplies the input."""
    bundles = []
    for name, tensor in header.tensors.items():
        if (match := key.fullmatch(name)) is None:
            continue
        if len(tensor.shape) != 2 or 1 not in tensor.shape:
            raise UnsupportedAdapterError(
                f"{header.path}: {name}: expected a vector of shape (n, 1) or (1, n), found "
                f"{tensor.shape}"
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
        bundles.append(Bundle(keys={match["role"]: name}, parameters=(parameter,)))
    return tuple(bundles)


def _decode(bundle: Bundle, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """The vector times the scale: what activations are multiplied with.

    In float64, in which ``1 + (x - 1)`` gives every x of a narrower type back; vectors are small.
    """
    [parameter], [vector] = bundle.parameters, tensors.values()
    scale = parameter.attributes["scale"]
    xp = array_namespace(vector)
    wide = xp.astype(vector, xp.float64)
    return {parameter.name: wide if scale == 1 else wide * scale}


def _encode(
    bundle: Bundle, points: Mapping[str, Any], want: Mapping[str, float]
) -> dict[str, Array]:
    """The vector as stored, the scale divided out again."""
    del want
    [parameter], [role] = bundle.parameters, bundle.keys
    scale = parameter.attributes["scale"]
    point = points[parameter.name]
    return {role: point if scale == 1 else point / scale}


def _claim_adapters(header: FolderHeader) -> Claim | None:
    """Claim the vectors; `adapters` keeps (IA)³ as a LoRA that scales, without its A."""
    config = header.config
    if config.get("architecture") != "lora" or config.get("composition_mode") != "scale":
        return None
    refuse_any(header, {"use_gating": "a gate is a function of the input"})
    alpha = config.get("alpha", 1)
    if config.get("r") != 1 or not isinstance(alpha, int | float) or alpha == 0:
        raise UnsupportedAdapterError(
            f"{header.path}: (IA)³ has r = 1 and an alpha other than 0; found "
            f"r={config.get('r')!r}, alpha={alpha!r}"
        )
    bundles = _bundles(header, _ADAPTERS_KEY, float(alpha))
    parameters = [parameter for bundle in bundles for parameter in bundle.parameters]
    check_layers(header, (parameter.layer for parameter in parameters), config.get("leave_out"))
    check_same_sites(header, (parameter.name for parameter in parameters))
    return Claim(
        bundles=bundles,
        meaning={"leave_out": sorted(config.get("leave_out") or ())},
        config_keys=_ADAPTERS_SETTINGS,
    )


def _claim_peft(header: FolderHeader) -> Claim | None:
    """Claim the vectors."""
    config = header.config
    if config.get("peft_type") != "IA3":
        return None
    feedforward = config.get("feedforward_modules") or []
    meaning = {
        # Which vectors multiply inputs; shapes do not tell where input and output are equally wide.
        "feedforward_modules": feedforward if isinstance(feedforward, str) else sorted(feedforward),
        "fan_in_fan_out": bool(config.get("fan_in_fan_out")),
    }
    for key in header.tensors:
        if match := _PEFT_LEFTOVER.fullmatch(key):
            raise UnsupportedAdapterError(
                f"{header.path}: {key} belongs to another adapter, {match['name']!r}, of the model "
                "that this one was saved from (PEFT 0.17 saves (IA)³ so)",
                hint="load the folder into a model of its own, and save it again",
            )
    bundles = _bundles(header, _PEFT_KEY, 1.0)
    return Claim(bundles=bundles, meaning=meaning, config_keys=_PEFT_SETTINGS)


ia3 = AdapterArchitecture(
    name="ia3",
    summary="A vector that multiplies keys, values and feed-forward activations.",
    source="Liu et al. 2022, arXiv 2205.05638",
    files=(
        FileHalf(
            format="adapters",
            claim=_claim_adapters,
            space=_space,
            decode=_decode,
            encode=_encode,
            transport_options=("ridge",),
        ),
        FileHalf(
            format="peft",
            claim=_claim_peft,
            space=_space,
            decode=_decode,
            encode=_encode,
            transport_options=("ridge",),
        ),
    ),
    live=live_ia3,
)
