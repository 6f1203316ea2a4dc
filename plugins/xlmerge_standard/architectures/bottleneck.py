"""Bottleneck adapters of `adapters`: ``seq_bn``, ``double_seq_bn``, ``par_bn``."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from xlmerge.errors import UnsupportedAdapterError
from xlmerge.plugin import AdapterArchitecture, Claim, FileHalf, claim_by_patterns

from .layers import LAYER, check_layers, refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlmerge.plugin import FolderHeader

_SITE = r"(?P<site>attention\.output|output|attention_adapters|output_adapters)"
_KEY = LAYER + _SITE + r"\.adapters\.\{name\}\.(?:adapter_down\.0|adapter_up)\.(?:weight|bias)"

# What `BnConfig` fills in where a file of an earlier version says nothing.
_MEANING: dict[str, Any] = {
    "mh_adapter": None,
    "output_adapter": None,
    "reduction_factor": None,
    "non_linearity": None,
    "original_ln_before": False,
    "original_ln_after": True,
    "ln_before": False,
    "ln_after": False,
    "is_parallel": False,
    "scaling": 1.0,
    "residual_before_ln": True,
    "adapter_residual_before_ln": False,
}
_INERT = frozenset(
    # Training only, or read only by settings that are refused below.
    {"dropout", "stochastic_depth", "init_weights", "init_weights_seed", "cross_adapter", "leave_out", "architecture"}
    | {"use_gating", "phm_layer", "phm_dim", "factorized_phm_W", "shared_W_phm", "shared_phm_rule", "phm_rank"}
    | {"factorized_phm_rule", "phm_c_init", "phm_init_range", "learn_phm", "hypercomplex_nonlinearity", "phm_bias"}
    # adapter-transformers 1.x; they spoke of fusion.
    | {"attention_type", "new_attention_norm"}
)
_REFUSED: dict[str, str] = {
    "use_gating": "a gate is a function of the input, and the average of two gates is no gate of either",
    "phm_layer": "Compacter stores products of factors, and a sum of factors is no sum of products",
    "ln_before": "the layer norm inside the adapter is not merged by this version",
    "ln_after": "the layer norm inside the adapter is not merged by this version",
}


def _claim(header: FolderHeader) -> Claim | None:
    """Claim down and up projections after the attention and feed-forward sub-layers."""
    config = header.config
    if config.get("architecture") is not None:
        return None
    meaning = {key: config.get(key, default) for key, default in _MEANING.items()}
    meaning["leave_out"] = sorted(config.get("leave_out") or ())
    if isinstance(meaning["non_linearity"], str):
        meaning["non_linearity"] = meaning["non_linearity"].lower()
    claim = claim_by_patterns(
        header, [_KEY], part="bottleneck", meaning=meaning, config_keys=_INERT | frozenset(_MEANING)
    )
    if claim is None:
        return None
    for key, reason in _REFUSED.items():
        if config.get(key):
            raise refuse(header, f"{key}: {config[key]}", reason)
    if isinstance(meaning["scaling"], str):
        raise refuse(header, f"scaling: {meaning['scaling']}", "a learned scale multiplies what the projections add")
    for key in ("mh_adapter", "output_adapter", "reduction_factor", "non_linearity"):
        if meaning[key] is None:
            raise UnsupportedAdapterError(f"{header.path}: the configuration does not say `{key}`")
    _check_completeness(header, claim, meaning)
    return claim


def _check_completeness(header: FolderHeader, claim: Claim, meaning: Mapping[str, Any]) -> None:
    """Check that what the configuration declares is there, whole, and of the declared size."""
    modules: dict[tuple[int, str], dict[str, tuple[int, ...]]] = defaultdict(dict)
    for bundle in claim.bundles:
        [parameter] = bundle.parameters
        tail = re.sub(r"^.*\.(?=adapter_(?:down|up)\.)", "", parameter.name)
        modules[parameter.layer or 0, parameter.site][tail] = parameter.shape
    declared = {
        "attention": meaning["mh_adapter"],
        "output": meaning["output_adapter"],
    }
    for place, wanted in declared.items():
        layers = {layer for layer, site in modules if site.startswith("attention") == (place == "attention")}
        if wanted and not layers:
            raise UnsupportedAdapterError(f"{header.path}: the configuration declares {place} adapters; the file has none")
        if layers and not wanted:
            raise UnsupportedAdapterError(f"{header.path}: the file has {place} adapters; the configuration declares none")
        check_layers(header, layers, meaning["leave_out"])
    for (layer, site), shapes in modules.items():
        _check_module(header, f"layer {layer}, {site}", shapes, _width(header, layer, meaning["reduction_factor"]))


def _width(header: FolderHeader, layer: int, reduction_factor: Any) -> int | None:
    """Width of the bottleneck as the configuration gives it; None where the base model's width is unknown."""
    if isinstance(reduction_factor, dict):
        reduction_factor = reduction_factor.get(str(layer), reduction_factor.get("default"))
    if header.hidden_size is None or not isinstance(reduction_factor, int | float):
        return None
    return max(1, int(header.hidden_size // reduction_factor))


def _check_module(
    header: FolderHeader, where: str, shapes: Mapping[str, tuple[int, ...]], width: int | None
) -> None:
    """Check the four tensors of one bottleneck against each other and against the configured width."""
    expected_names = ("adapter_down.0.weight", "adapter_down.0.bias", "adapter_up.weight", "adapter_up.bias")
    missing = [name for name in expected_names if name not in shapes]
    if missing:
        raise UnsupportedAdapterError(f"{header.path}: {where} lacks {', '.join(missing)}")
    found = shapes["adapter_down.0.weight"]
    inner = found[0] if found else 0
    outer = header.hidden_size or (found[1] if len(found) == 2 else 0)
    expected = dict(zip(expected_names, ((inner, outer), (inner,), (outer, inner), (outer,)), strict=True))
    for name, shape in expected.items():
        if shapes[name] != shape:
            raise UnsupportedAdapterError(
                f"{header.path}: {where}, {name}: expected shape {shape}, found {shapes[name]}"
            )
    if width is not None and inner != width:
        raise UnsupportedAdapterError(
            f"{header.path}: {where}: the configuration gives a bottleneck of {width} units, the tensors have {inner}"
        )


bottleneck = AdapterArchitecture(
    name="bottleneck",
    summary="Down projection, activation, up projection, with a residual connection around them.",
    source="Houlsby et al. 2019, arXiv 1902.00751; Pfeiffer et al. 2020, arXiv 2005.00052; He et al. 2022, arXiv 2110.04366",
    files=(FileHalf(format="adapters", claim=_claim),),
)
