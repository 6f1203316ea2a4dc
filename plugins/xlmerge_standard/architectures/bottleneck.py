"""Bottleneck adapters of `adapters`: ``seq_bn``, ``double_seq_bn``, ``par_bn``."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from xlmerge.errors import UnsupportedAdapterError
from xlmerge.plugin import AdapterArchitecture, Claim, FileHalf, claim_by_patterns

from .configs import live_bottleneck
from .layers import LAYER, check_layers
from .refusals import refuse, refuse_any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlmerge.plugin import FolderHeader

_SITE = r"(?P<site>attention\.output|output|attention_adapters|output_adapters)"
_KEY = LAYER + _SITE + r"\.adapters\.\{name\}\.(?:adapter_down\.0|adapter_up)\.(?:weight|bias)"
_TENSORS = ("adapter_down.0.weight", "adapter_down.0.bias", "adapter_up.weight", "adapter_up.bias")

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
_REQUIRED = ("mh_adapter", "output_adapter", "reduction_factor", "non_linearity")
_INERT = frozenset(
    # Training only, or read only by settings that are refused below.
    {"dropout", "stochastic_depth", "init_weights", "init_weights_seed", "cross_adapter"}
    | {"leave_out", "architecture", "use_gating"}
    | {"phm_layer", "phm_dim", "phm_rank", "phm_bias", "phm_c_init", "phm_init_range", "learn_phm"}
    | {"factorized_phm_W", "shared_W_phm", "shared_phm_rule", "factorized_phm_rule"}
    | {"hypercomplex_nonlinearity"}
    # adapter-transformers 1.x; they spoke of fusion.
    | {"attention_type", "new_attention_norm"}
)
_REFUSED = {
    "use_gating": "a gate is a function of the input, and the sum of two gates is no gate",
    "phm_layer": "Compacter's weights are products of factors, and the sum of two is no product",
    "ln_before": "the layer norm inside the adapter is not merged by this version",
    "ln_after": "the layer norm inside the adapter is not merged by this version",
}


def _claim(header: FolderHeader) -> Claim | None:
    """Claim down and up projections after the attention and feed-forward sub-layers."""
    config = header.config
    if config.get("architecture") is not None or "output_adapter" not in config:
        return None
    refuse_any(header, _REFUSED)
    if isinstance(config.get("scaling"), str):
        raise refuse(header, "scaling", "a learned scale multiplies what the projections add")
    for key in _REQUIRED:
        if config.get(key) is None:
            raise UnsupportedAdapterError(f"{header.path}: the configuration does not say `{key}`")
    meaning = {key: config.get(key, default) for key, default in _MEANING.items()}
    meaning["leave_out"] = sorted(config.get("leave_out") or ())
    meaning["non_linearity"] = str(meaning["non_linearity"]).lower()
    keys = _INERT | frozenset(_MEANING)
    claim = claim_by_patterns(
        header, [_KEY], part="bottleneck", meaning=meaning, config_keys=keys
    ) or Claim(bundles=(), meaning=meaning, config_keys=keys)
    _check_completeness(header, claim, meaning)
    return claim


def _check_completeness(header: FolderHeader, claim: Claim, meaning: Mapping[str, Any]) -> None:
    """Check that what the configuration declares is there, whole, and of the declared size."""
    modules: dict[tuple[int, str], dict[str, tuple[int, ...]]] = defaultdict(dict)
    for bundle in claim.bundles:
        [parameter] = bundle.parameters
        tail = re.sub(r"^.*\.(?=adapter_(?:down|up)\.)", "", parameter.name)
        modules[parameter.layer or 0, parameter.site][tail] = parameter.shape
    left_out = meaning["leave_out"]
    for place in ("attention", "output"):
        wanted = meaning["mh_adapter" if place == "attention" else "output_adapter"]
        layers = {
            layer
            for layer, site in modules
            if site.startswith("attention") == (place == "attention")
        }
        # With layers left out it may be all of them, and only an invertible adapter remains.
        if wanted and not layers and not left_out:
            raise UnsupportedAdapterError(
                f"{header.path}: the configuration declares {place} adapters; the file has none"
            )
        if layers and not wanted:
            raise UnsupportedAdapterError(
                f"{header.path}: the file has {place} adapters; the configuration declares none"
            )
        check_layers(header, layers, left_out)
    for (layer, site), shapes in modules.items():
        width = _width(header, layer, meaning["reduction_factor"])
        _check_module(header, f"layer {layer}, {site}", shapes, width)


def _width(header: FolderHeader, layer: int, reduction_factor: Any) -> int | None:
    """Width of the bottleneck by the configuration; None where the base model's is unknown."""
    if isinstance(reduction_factor, dict):
        reduction_factor = reduction_factor.get(str(layer), reduction_factor.get("default"))
    if header.hidden_size is None or not isinstance(reduction_factor, int | float):
        return None
    return max(1, int(header.hidden_size // reduction_factor))


def _check_module(
    header: FolderHeader, where: str, shapes: Mapping[str, tuple[int, ...]], width: int | None
) -> None:
    """Check one bottleneck's four tensors against each other and against the configured width."""
    missing = [name for name in _TENSORS if name not in shapes]
    if missing:
        raise UnsupportedAdapterError(
            f"{header.path}: {where} lacks {', '.join(missing)}",
            hint="the file is incomplete: save the adapter again",
        )
    found = shapes[_TENSORS[0]]
    inner = found[0] if found else 0
    outer = header.hidden_size or (found[1] if len(found) == 2 else 0)
    expected = ((inner, outer), (inner,), (outer, inner), (outer,))
    for name, shape in zip(_TENSORS, expected, strict=True):
        if shapes[name] != shape:
            raise UnsupportedAdapterError(
                f"{header.path}: {where}, {name}: expected shape {shape}, found {shapes[name]}"
            )
    if width is not None and inner != width:
        raise UnsupportedAdapterError(
            f"{header.path}: {where}: the configuration gives a bottleneck of {width} units, the "
            f"tensors have {inner}"
        )


bottleneck = AdapterArchitecture(
    name="bottleneck",
    summary="Down projection, activation, up projection, with a residual connection around them.",
    source="Houlsby et al. 2019, arXiv 1902.00751; Pfeiffer et al. 2020, arXiv 2005.00052; "
    "He et al. 2022, arXiv 2110.04366",
    files=(FileHalf(format="adapters", claim=_claim),),
    live=live_bottleneck,
)
