"""LoRA in the folders of PEFT: rank and alpha by module, and two ways to make a scale of them."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from xlmerge.errors import UnsupportedAdapterError
from xlmerge.plugin import Claim, FileHalf
from xlmerge_standard.architectures.refusals import refuse, refuse_any

from .factors import Scale, attributes, decode, encode, number, paired
from .space import space_of_lora

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from xlmerge.plugin import Bundle, FolderHeader

__all__ = ["in_peft"]

_KEY = re.compile(r"(?P<module>.+)\.lora_(?P<factor>[AB])\.weight")
_SETTINGS = frozenset(
    {"r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "fan_in_fan_out", "bias"}
    # Where LoRA sits follows from the keys.
    | {"target_modules", "exclude_modules", "layers_to_transform", "layers_pattern"}
    # Training and initial values only, or read only by settings that are refused below.
    | {"lora_dropout", "init_lora_weights", "eva_config", "corda_config", "loftq_config"}
    | {"lora_ga_config", "runtime_config", "ephemeral_gpu_offload", "megatron_core"}
    | {"qalora_group_size", "ensure_weight_tying"}
)
_REFUSED = {
    "use_dora": "DoRA's magnitudes are no addition to the weights",
    "lora_bias": "the bias of B is not merged by this version",
    "use_qalora": "QA-LoRA pools its input, so that B @ A is no addition to the weights",
    "alora_invocation_tokens": "an activated LoRA acts on some tokens only",
    "trainable_token_indices": "trained token vectors are no low-rank addition",
    "target_parameters": "LoRA on bare parameters is not merged by this version",
    "layer_replication": "replicated layers make another base model",
}
# Initial values that leave the base model's weights alone.
_PLAIN_INIT = (None, True, False, "gaussian", "eva", "orthogonal")


def _claim(header: FolderHeader) -> Claim | None:
    config = header.config
    if config.get("peft_type") != "LORA":
        return None
    refuse_any(header, _REFUSED)
    if config.get("bias", "none") != "none":
        raise refuse(header, "bias", "it replaces biases of the base model")
    if config.get("init_lora_weights") not in _PLAIN_INIT:
        raise refuse(
            header,
            "init_lora_weights",
            "it changes the base model's weights on loading, so the file alone is not the adapter",
            "save it with `save_pretrained(..., path_initial_model_for_weight_conversion=...)`, "
            "which makes it a LoRA of the original weights",
        )
    embedding = next((key for key in header.tensors if ".lora_embedding_" in key), None)
    if embedding is not None:
        raise UnsupportedAdapterError(
            f"{header.path}: {embedding}: LoRA on an embedding is not merged by this version"
        )
    bundles = paired(
        header, _KEY, lambda module: _scale(config, _path(header, module), header.path)
    )
    _check_transformed(header, bundles)
    return Claim(
        bundles=bundles,
        meaning={"fan_in_fan_out": bool(config.get("fan_in_fan_out"))},
        config_keys=_SETTINGS,
    )


def _scale(config: Mapping[str, Any], path: str, where: str) -> Scale:
    """Rank and scale of a module.

    Its patterns are resolved as PEFT does: the first that matches the end of the path.
    """

    def resolve(patterns: str, default: str) -> Any:
        for pattern, value in (config.get(patterns) or {}).items():
            if re.match(rf"(.*\.)?({pattern})$", path):
                return value
        return config.get(default)

    rank, alpha = resolve("rank_pattern", "r"), resolve("alpha_pattern", "lora_alpha")
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, int | float):
        raise UnsupportedAdapterError(
            f"{where}: {path}: LoRA needs a rank and an alpha; found r={rank!r}, "
            f"lora_alpha={alpha!r}"
        )
    return rank, alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _path(header: FolderHeader, module: str) -> str:
    """Path of a module in the base model, which is what PEFT matches its patterns with."""
    stored = header.tensors[f"{module}.lora_A.weight"].name
    return stored.removeprefix("base_model.model.").removesuffix(".lora_A.weight")


def _check_transformed(header: FolderHeader, bundles: Iterable[Bundle]) -> None:
    """Check that the layers of the file are those that PEFT will make room for.

    Raises:
        UnsupportedAdapterError: They are not.
    """
    wanted = header.config.get("layers_to_transform")
    if wanted is None or wanted == []:
        return
    declared = {wanted} if isinstance(wanted, int) else set(wanted)
    found = {parameter.layer for bundle in bundles for parameter in bundle.parameters}
    if found != declared:
        raise UnsupportedAdapterError(
            f"{header.path}: `layers_to_transform` names layers {sorted(declared)}; the file holds "
            f"{sorted(layer for layer in found if layer is not None)}"
        )


def _configure(
    config: Mapping[str, Any], written: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    """One rank and alpha, and patterns for the modules that differ; the scale is alpha / r."""
    if all(
        _scale(config, name, "") == (numbers["rank"], numbers["scale"])
        for name, numbers in written.items()
    ):
        return dict(config)
    ranks = {name: int(numbers["rank"]) for name, numbers in written.items()}
    alphas = {name: number(numbers["scale"] * numbers["rank"]) for name, numbers in written.items()}
    rank, alpha = (Counter(each.values()).most_common(1)[0][0] for each in (ranks, alphas))
    return {
        **config,
        "r": rank,
        "lora_alpha": alpha,
        "use_rslora": False,
        "init_lora_weights": True,
        "rank_pattern": _patterns(ranks, rank),
        "alpha_pattern": _patterns(alphas, alpha),
    }


def _patterns(values: Mapping[str, float], default: float) -> dict[str, float]:
    """Patterns for modules whose value is not the default.

    A module's name is a pattern for every path that ends so. Longer names come first, and those
    that end like a shorter one in the list are in it themselves.
    """
    differing = tuple(name for name, value in values.items() if value != default)
    ends = tuple(f".{name}" for name in differing)
    listed = {name for name in values if name in differing or (ends and name.endswith(ends))}
    return {name: values[name] for name in sorted(listed, key=lambda name: (-len(name), name))}


in_peft = FileHalf(
    format="peft",
    claim=_claim,
    space=space_of_lora,
    decode=decode,
    encode=encode,
    attributes=attributes,
    configure=_configure,
)
