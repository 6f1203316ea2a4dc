"""Which tensors of a PEFT file are its head."""

from __future__ import annotations

from typing import Any

import pytest

from xlmerge_standard.architectures.head import head

PEFT = head.half("peft")
KEYS = {
    "classifier.dense.weight": (2, 2),
    "score.weight": (2, 2),
    "qa_outputs.bias": (2,),
    "model.embed_tokens.weight": (9, 2),
    "layers.0.score.lora_A.weight": (1, 2),
}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, set()),
        ({"task_type": None, "modules_to_save": None}, set()),
        ({"task_type": "SEQ_CLS"}, {"classifier.dense.weight", "score.weight"}),
        ({"task_type": "TOKEN_CLS"}, {"classifier.dense.weight", "score.weight"}),
        ({"task_type": "QUESTION_ANS"}, {"qa_outputs.bias"}),
        ({"task_type": "CAUSAL_LM"}, set()),
        ({"modules_to_save": ["classifier"]}, {"classifier.dense.weight"}),
        ({"modules_to_save": ["embed_tokens"]}, {"model.embed_tokens.weight"}),
        ({"modules_to_save": ["class"]}, set()),
    ],
)
def test_modules_saved_whole(config: dict[str, Any], expected: set[str], header: Any) -> None:
    assert PEFT is not None
    claim = PEFT.claim(header("peft", config, KEYS))
    assert claim is not None
    assert {bundle.keys["value"] for bundle in claim.bundles} == expected
    assert {p.part for bundle in claim.bundles for p in bundle.parameters} <= {"head"}
