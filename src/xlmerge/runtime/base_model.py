"""Base models, loaded whole or not at all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from adapters import AutoAdapterModel
from adapters.models.auto.adapter_model import ADAPTER_MODEL_MAPPING_NAMES
from transformers import AutoConfig, AutoModelForMaskedLM, AutoTokenizer

from xlmerge.errors import ModelError
from xlmerge.runtime.quiet import quiet

__all__ = ["BasePlace", "find_base", "load_adapter_model", "load_tokenizer"]

# Keys that a checkpoint may lack: heads, and the pooler, which xlmerge's own heads do not use.
_OPTIONAL = re.compile(
    r"(?:^|\.)(?:heads|pooler|lm_head|cls|classifier|qa_outputs|score)\.|position_ids"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BasePlace:
    """Where a base model lies.

    Attributes:
        source: What the library loads from: a folder, or a hub id.
        revision: Commit, branch or tag on the hub.
        name: What adapters record as the name of their base model.
    """

    source: str
    revision: str | None
    name: str


def find_base(reference: str, start: Path) -> BasePlace:
    """Tell a folder from a hub id.

    Args:
        reference: A folder, or a hub id with an optional ``@revision``.
        start: What relative folders start from.

    Raises:
        ModelError: It is a folder without a model.
    """
    path = (start / Path(reference).expanduser()).absolute()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelError(
                f"{path}: the folder holds no config.json, so it is no base model",
                hint="give the folder that `save_pretrained` wrote",
            )
        return BasePlace(source=str(path), revision=None, name=path.name)
    name, _, revision = reference.partition("@")
    return BasePlace(source=name, revision=revision or None, name=name)


def load_adapter_model(
    place: BasePlace, *, dtype: torch.dtype = torch.float32, attention: str | None = None
) -> Any:
    """Load a base model with support for adapters and flexible heads.

    The masked-LM head of a checkpoint comes along as the head ``default``, with its bias, which
    the library forgets.

    Args:
        place: Where it lies.
        dtype: Precision.
        attention: Attention implementation; the library's choice if None.

    Raises:
        ModelError: It cannot be loaded, the library has no adapters for its architecture, or the
            checkpoint lacks weights, which would be random.
    """
    config = _load(AutoConfig, place)
    if config.model_type not in ADAPTER_MODEL_MAPPING_NAMES:
        known = ", ".join(sorted(ADAPTER_MODEL_MAPPING_NAMES))
        raise ModelError(
            f"{place.source}: the adapters library has no built-in support for models of type "
            f"{config.model_type!r}; it has for {known}",
            hint="its plug-in interface for other models computes bottlenecks with a wrong layer "
            "norm, so it is not used",
        )
    options: dict[str, Any] = {"dtype": dtype, "output_loading_info": True}
    if attention is not None:
        options["attn_implementation"] = attention
    model, report = _load(AutoAdapterModel, place, **options)
    missing = [key for key in report["missing_keys"] if not _OPTIONAL.search(key)]
    if missing or report["mismatched_keys"]:
        what = [*missing, *(str(key) for key in report["mismatched_keys"])]
        raise ModelError(
            f"{place.source}: the checkpoint lacks {len(what)} weights, or has them in another "
            f"shape: {', '.join(what[:3])}{', ...' if what[3:] else ''}; they would be random",
            hint="check that the files are whole and of this architecture",
        )
    _restore_language_model_bias(model, place, dtype)
    model.name_or_path = model.config._name_or_path = place.name  # noqa: SLF001 - what files record
    return model


def load_tokenizer(place: BasePlace) -> Any:
    """Load the tokenizer of a base model.

    Raises:
        ModelError: It cannot be loaded.
    """
    return _load(AutoTokenizer, place)


def _load(kind: Any, place: BasePlace, **options: Any) -> Any:
    """One ``from_pretrained``, with an error that says what was being loaded."""
    try:
        with quiet():
            return kind.from_pretrained(place.source, revision=place.revision or "main", **options)
    except (OSError, ValueError, RuntimeError, ImportError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(
            f"{place.source}: cannot be loaded as {kind.__name__}: {reason[:400]}",
            hint="check the name and the network, or give the folder of a local copy",
        ) from error


def _restore_language_model_bias(model: Any, place: BasePlace, dtype: torch.dtype) -> None:
    """Copy the bias of the output embeddings, which conversion to a flexible head drops."""
    head = model.heads["default"] if "default" in model.heads else None  # noqa: SIM401 - a ModuleDict
    if head is None or head.config.get("head_type") != "masked_lm":
        return
    decoder = head.get_output_embeddings()
    static = _load(AutoModelForMaskedLM, place, dtype=dtype)
    bias = static.get_output_embeddings().bias
    if bias is None or decoder.bias is None or bias.shape != decoder.bias.shape:
        raise ModelError(
            f"{place.source}: the bias of the masked-LM head cannot be carried over: expected "
            f"{None if decoder.bias is None else tuple(decoder.bias.shape)}, found "
            f"{None if bias is None else tuple(bias.shape)}"
        )
    with torch.no_grad():
        decoder.bias.copy_(bias)
