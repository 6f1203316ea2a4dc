"""LoRA of both libraries: a low-rank addition ``scale * B @ A`` to a linear map."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Literal

from xlmerge.errors import ParameterError, UnsupportedAdapterError
from xlmerge.plugin import AdapterArchitecture, AtLeast, Between, Bundle, Claim, FileHalf, Parameter
from xlmerge.spaces import Compression, FactorwiseSpace, LowRank, LowRankSpace

from .layers import check_layers, refuse, split_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from xlmerge.plugin import FolderHeader
    from xlmerge.spaces import Array, Observe, Space

Scale = tuple[int, float]  # rank and scale of one module, as the configuration gives them


def _space(
    peers: Sequence[Parameter],
    observe: Observe,
    *,
    rank: Annotated[int | None, AtLeast(1), "rank of the result; the discarded share is reported"] = None,
    tolerance: Annotated[
        float | None, Between(0, 1, open_high=True), "smallest rank within this relative (Frobenius) error, per matrix"
    ] = None,
    energy: Annotated[
        float | None, Between(0, 1, open_low=True), "smallest rank that keeps this share of the squared norm, per matrix"
    ] = None,
    elements: Annotated[
        Literal["delta", "factors"],
        "what is merged: the product B @ A, or A and B each for itself (as the papers' code does; cross terms arise)",
    ] = "delta",
) -> Space[Any, Any]:
    """The space of one LoRA matrix."""
    given = [name for name, value in (("rank", rank), ("tolerance", tolerance), ("energy", energy)) if value is not None]
    if len(given) > 1:
        raise ParameterError(f"give one of {', '.join(given)}, not all of them")
    scales = {peer.attributes["scale"] for peer in peers}
    # The formats want one scale for an adapter: the inputs' own if they share it, else 1 with B rescaled.
    scale = scales.pop() if len(scales) == 1 and 0 not in scales else 1.0
    if elements == "factors":
        if given:
            raise ParameterError(f"`{given[0]}` is for merging deltas; `elements: factors` keeps the rank of the inputs")
        inner = int(peers[0].attributes["rank"])
        outer, width = peers[0].shape
        return FactorwiseSpace((outer, inner), (inner, width), scale)
    compression = Compression(rank=rank, tolerance=tolerance, energy=energy) if given else None
    return LowRankSpace(compression=compression, scale=scale, observe=observe)


def _claim(
    header: FolderHeader,
    key: re.Pattern[str],
    sizes: Callable[[str], Scale],
    *,
    meaning: Mapping[str, Any],
    config_keys: frozenset[str],
) -> Claim | None:
    """Pair the factors of every module and check their shapes against the configured rank."""
    modules: dict[str, dict[str, str]] = {}
    for name in header.tensors:
        if match := key.fullmatch(name):
            modules.setdefault(match["module"], {})["lora_" + match["factor"]] = name
    bundles = []
    for module, keys in modules.items():
        if len(keys) != 2:
            [present] = keys
            raise UnsupportedAdapterError(f"{header.path}: {module} has {present} without its partner")
        down, up = (header.tensors[keys[role]].shape for role in ("lora_A", "lora_B"))
        rank, scale = sizes(module)
        if len(down) != 2 or len(up) != 2:
            raise UnsupportedAdapterError(
                f"{header.path}: {module}: LoRA on a convolution (A of shape {down}) is not merged by this version"
            )
        if down[0] != rank or up[1] != rank:
            raise UnsupportedAdapterError(
                f"{header.path}: {module}: the configuration gives rank {rank}, A has shape {down} and B {up}"
            )
        layer, site = split_layer(module)
        bundles.append(
            Bundle(
                keys=dict(sorted(keys.items())),
                parameters=(
                    Parameter(
                        name=module,
                        part="lora",
                        layer=layer,
                        site=site,
                        shape=(up[0], down[1]),
                        attributes={"rank": float(rank), "scale": scale},
                    ),
                ),
            )
        )
    if not bundles:
        return None
    return Claim(bundles=tuple(bundles), meaning=meaning, config_keys=config_keys)


def _decode(bundle: Bundle, tensors: Mapping[str, Array]) -> dict[str, LowRank]:
    """A and B with the configured scale."""
    [parameter] = bundle.parameters
    point = LowRank(left=tensors["lora_B"], right=tensors["lora_A"], scale=parameter.attributes["scale"])
    return {parameter.name: point}


def _encode(bundle: Bundle, points: Mapping[str, Any], want: Mapping[str, float]) -> dict[str, Array]:
    """A and B, padded with zeros to a wanted rank (which changes nothing they do)."""
    import numpy as np

    [parameter] = bundle.parameters
    point: LowRank = points[parameter.name]
    missing = int(want.get("rank", 0)) - point.right.shape[0]
    left, right = point.left, point.right
    if missing > 0:
        left = np.concat([left, np.zeros((left.shape[0], missing), left.dtype)], axis=1)
        right = np.concat([right, np.zeros((missing, right.shape[1]), right.dtype)], axis=0)
    return {"lora_A": right, "lora_B": left}


def _attributes(parameter: Parameter, point: Any) -> dict[str, float]:
    """Rank and scale, which the configuration has to tell."""
    del parameter
    return {"rank": float(point.right.shape[0]), "scale": point.scale}


def _number(value: float) -> float:
    """A whole number as one, which is how both libraries write alpha and r."""
    return int(value) if value == int(value) else value


# --- adapters -------------------------------------------------------------------------------------------------

_ADAPTERS_KEY = re.compile(r"(?P<module>.+)\.loras\.\{name\}\.lora_(?P<factor>[AB])")
_ADAPTERS_INERT = frozenset(
    {"architecture", "dropout", "init_weights", "init_weights_seed", "composition_mode", "use_gating", "use_dora"}
    # Where LoRA sits follows from the keys.
    | {"selfattn_lora", "intermediate_lora", "output_lora", "attn_matrices", "leave_out", "vera_d", "vera_b", "dtype"}
    | {"r", "alpha"}
)


def _claim_adapters(header: FolderHeader) -> Claim | None:
    config = header.config
    if config.get("architecture") != "lora" or config.get("composition_mode", "add") != "add":
        return None
    if config.get("use_dora"):
        raise refuse(header, "use_dora: true", "DoRA's magnitudes are no addition to the weights")
    if config.get("use_gating"):
        raise refuse(header, "use_gating: true", "a gate is a function of the input, and replaces the scale")
    for key in ("vera_d", "vera_b"):
        if config.get(key) is not None:
            raise refuse(header, f"{key}: {config[key]}", "VeRA scales shared random matrices, which have no sum")
    rank, alpha = config.get("r"), config.get("alpha")
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, int | float):
        raise UnsupportedAdapterError(f"{header.path}: LoRA needs `r` and `alpha`; found r={rank!r}, alpha={alpha!r}")
    claim = _claim(
        header,
        _ADAPTERS_KEY,
        lambda _: (rank, alpha / rank),
        meaning={"kind": "LoRA", "leave_out": sorted(config.get("leave_out") or ())},
        config_keys=_ADAPTERS_INERT,
    )
    if claim is not None:
        layers = [parameter.layer for bundle in claim.bundles for parameter in bundle.parameters]
        check_layers(header, [layer for layer in layers if layer is not None], config.get("leave_out"))
    return claim


def _configure_adapters(config: Mapping[str, Any], written: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """`adapters` keeps one rank and one alpha, with a scale of alpha / r."""
    [rank] = {int(numbers["rank"]) for numbers in written.values()}
    [scale] = {numbers["scale"] for numbers in written.values()}
    if rank == config["r"] and scale == config["alpha"] / config["r"]:
        return dict(config)
    return {**config, "r": rank, "alpha": _number(scale * rank)}


# --- peft -----------------------------------------------------------------------------------------------------

_PEFT_KEY = re.compile(r"(?P<module>.+)\.lora_(?P<factor>[AB])\.weight")
_PEFT_INERT = frozenset(
    {"r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "lora_dropout", "target_modules", "bias"}
    | {"exclude_modules", "layers_to_transform", "layers_pattern", "init_lora_weights", "fan_in_fan_out"}
    | {"use_dora", "lora_bias", "modules_to_save", "megatron_core", "qalora_group_size", "use_qalora"}
    | {"ensure_weight_tying", "ephemeral_gpu_offload", "runtime_config"}
)
_PEFT_REFUSED: dict[str, str] = {
    "use_dora": "DoRA's magnitudes are no addition to the weights",
    "lora_bias": "the bias of B is not merged by this version",
    "use_qalora": "QA-LoRA pools its input, so that B @ A is no addition to the weights",
    "alora_invocation_tokens": "an activated LoRA acts on some tokens only",
    "trainable_token_indices": "trained token vectors are no low-rank addition",
    "target_parameters": "LoRA on bare parameters is not merged by this version",
    "layer_replication": "replicated layers make another base model",
}
# Other initial values change the base model's weights when the adapter is loaded.
_PLAIN_INIT = (None, True, False, "gaussian", "eva", "orthogonal")


def _claim_peft(header: FolderHeader) -> Claim | None:
    config = header.config
    if config.get("peft_type") != "LORA":
        return None
    for key, reason in _PEFT_REFUSED.items():
        if config.get(key):
            raise refuse(header, f"{key}: {config[key]}", reason)
    if config.get("bias", "none") != "none":
        raise refuse(header, f"bias: {config['bias']}", "it replaces biases of the base model")
    if config.get("init_lora_weights") not in _PLAIN_INIT:
        raise refuse(
            header,
            f"init_lora_weights: {config['init_lora_weights']}",
            "it changes the base model's weights on loading, so the file alone is not the adapter "
            "(save it with PEFT's `path_initial_model_for_weight_conversion` first)",
        )
    claim = _claim(
        header,
        _PEFT_KEY,
        lambda module: _peft_scale(config, _path(header, module), header.path),
        meaning={"kind": "LoRA", "fan_in_fan_out": bool(config.get("fan_in_fan_out"))},
        config_keys=_PEFT_INERT,
    )
    if claim is not None:
        _check_transformed(header, claim)
    return claim


def _peft_scale(config: Mapping[str, Any], path: str, where: str) -> Scale:
    """Rank and scale of a module, its patterns resolved as PEFT does: the first that matches the end of the path."""

    def resolve(pattern_key: str, default: Any) -> Any:
        for pattern, value in (config.get(pattern_key) or {}).items():
            if re.match(rf"(.*\.)?({pattern})$", path):
                return value
        return default

    rank = resolve("rank_pattern", config.get("r"))
    alpha = resolve("alpha_pattern", config.get("lora_alpha"))
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, int | float):
        raise UnsupportedAdapterError(
            f"{where}: {path}: LoRA needs a rank and an alpha; found r={rank!r}, lora_alpha={alpha!r}"
        )
    return rank, alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _path(header: FolderHeader, module: str) -> str:
    """Path of a module in the base model, which is what PEFT matches its patterns with."""
    stored = next(header.tensors[key].name for key in header.tensors if key.startswith(f"{module}.lora_"))
    return re.sub(r"\.lora_[AB]\.weight$", "", stored).removeprefix("base_model.model.")


def _check_transformed(header: FolderHeader, claim: Claim) -> None:
    """Check that `layers_to_transform` names the layers that the file holds; PEFT would not load others."""
    wanted = header.config.get("layers_to_transform")
    if wanted is None:
        return
    declared = {wanted} if isinstance(wanted, int) else set(wanted)
    found = {parameter.layer for bundle in claim.bundles for parameter in bundle.parameters}
    if found != declared:
        raise UnsupportedAdapterError(
            f"{header.path}: `layers_to_transform` names layers {sorted(declared)}; the file holds "
            f"{sorted(layer for layer in found if layer is not None)}"
        )


def _configure_peft(config: Mapping[str, Any], written: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """One rank and alpha, and patterns by full path for the modules that differ; the scale is alpha / r."""
    if all(
        _peft_scale(config, name, "") == (numbers["rank"], numbers["scale"]) for name, numbers in written.items()
    ):
        return dict(config)
    ranks = {name: int(numbers["rank"]) for name, numbers in written.items()}
    alphas = {name: _number(numbers["scale"] * numbers["rank"]) for name, numbers in written.items()}
    rank = Counter(ranks.values()).most_common(1)[0][0]
    alpha = Counter(alphas.values()).most_common(1)[0][0]
    return {
        **config,
        "r": rank,
        "lora_alpha": alpha,
        "use_rslora": False,
        "init_lora_weights": True,
        "rank_pattern": {name: value for name, value in ranks.items() if value != rank},
        "alpha_pattern": {name: value for name, value in alphas.items() if value != alpha},
    }


lora = AdapterArchitecture(
    name="lora",
    summary="A low-rank addition scale * B @ A to a linear map; rsLoRA, rank and alpha patterns included.",
    source="Hu et al. 2021, arXiv 2106.09685; Kalajdzievski 2023, arXiv 2312.03732",
    files=(
        FileHalf(
            format="adapters",
            claim=_claim_adapters,
            space=_space,
            decode=_decode,
            encode=_encode,
            attributes=_attributes,
            configure=_configure_adapters,
            uniform=("rank",),
        ),
        FileHalf(
            format="peft",
            claim=_claim_peft,
            space=_space,
            decode=_decode,
            encode=_encode,
            attributes=_attributes,
            configure=_configure_peft,
        ),
    ),
)
