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
_BY_TASK = {"SEQ_CLS": ("classifier", "score"), "TOKEN_CLS": ("classifier", "score"), "QUESTION_ANS": ("qa_outputs",)}
_PEFT_KEYS = frozenset(
    {"peft_type", "peft_version", "task_type", "inference_mode", "auto_mapping", "base_model_name_or_path", "revision"}
)


def _head(keys: Iterable[tuple[str, TensorHeader]]) -> tuple[Bundle, ...]:
    """One parameter a tensor."""
    return tuple(
        Bundle(
            keys={"value": key},
            parameters=(Parameter(name=f"head.{key.replace('{name}.', '')}", part="head", shape=tensor.shape),),
        )
        for key, tensor in keys
    )


def _claim_adapters(header: FolderHeader) -> Claim | None:
    return Claim(bundles=_head(header.head_tensors.items()))


def _claim_peft(header: FolderHeader) -> Claim | None:
    config = header.config
    modules = {*(config.get("modules_to_save") or ()), *_BY_TASK.get(config.get("task_type") or "", ())}
    pattern = re.compile(rf"(?:.*\.)?(?:{'|'.join(map(re.escape, sorted(modules)))})\.[^.].*") if modules else None
    claimed = [
        (key, tensor)
        for key, tensor in header.tensors.items()
        if pattern is not None and pattern.fullmatch(key) and not re.search(r"\.(lora_|ia3_)", key)
    ]
    return Claim(bundles=_head(claimed), config_keys=_PEFT_KEYS)


head = AdapterArchitecture(
    name="head",
    summary="The prediction head of a task, or further modules saved whole.",
    source="adapters: head_config.json; PEFT: modules_to_save",
    files=(FileHalf(format="adapters", claim=_claim_adapters), FileHalf(format="peft", claim=_claim_peft)),
)
