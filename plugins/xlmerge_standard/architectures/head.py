"""Prediction heads: files beside the adapter in `adapters`, tensors among it in PEFT.

Merge methods never see them; a recipe says what becomes of them (``heads:``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xlmerge.plugin import AdapterArchitecture, Bundle, Claim, FileHalf, Parameter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xlmerge.plugin import FolderHeader, TensorHeader

# Modules that PEFT saves for a task whether or not the configuration lists them.
_BY_TASK = {
    "SEQ_CLS": ("classifier", "score"),
    "TOKEN_CLS": ("classifier", "score"),
    "QUESTION_ANS": ("qa_outputs",),
}
_PEFT_KEYS = frozenset(
    {"peft_type", "peft_version", "task_type", "inference_mode", "auto_mapping"}
    | {"base_model_name_or_path", "revision", "modules_to_save"}
)
_OF_AN_ADAPTER = re.compile(r"\.(?:lora_|ia3_)")


def _bundles(keys: Iterable[tuple[str, TensorHeader]]) -> tuple[Bundle, ...]:
    """One parameter a tensor."""
    return tuple(
        Bundle(
            keys={"value": key},
            parameters=(
                Parameter(
                    name=f"head.{key.replace('{name}.', '')}", part="head", shape=tensor.shape
                ),
            ),
        )
        for key, tensor in keys
    )


def _claim_adapters(header: FolderHeader) -> Claim | None:
    """Claim the file of its own."""
    return Claim(bundles=_bundles(header.head_tensors.items()))


def _claim_peft(header: FolderHeader) -> Claim | None:
    """Claim what lies below the modules to save."""
    config = header.config
    task = _BY_TASK.get(config.get("task_type") or "", ())
    modules = sorted({*(config.get("modules_to_save") or ()), *task})
    below = re.compile(rf"(?:.*\.)?(?:{'|'.join(map(re.escape, modules))})\.[^.].*")
    claimed = [
        (key, tensor)
        for key, tensor in header.tensors.items()
        if modules and below.fullmatch(key) and not _OF_AN_ADAPTER.search(key)
    ]
    return Claim(bundles=_bundles(claimed), config_keys=_PEFT_KEYS)


head = AdapterArchitecture(
    name="head",
    summary="The prediction head of a task, or further modules saved whole.",
    source="adapters: head_config.json; PEFT: modules_to_save",
    files=(
        FileHalf(format="adapters", claim=_claim_adapters),
        FileHalf(format="peft", claim=_claim_peft),
    ),
)
