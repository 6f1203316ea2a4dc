"""Folders of both libraries are told apart, opened and understood without the libraries."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

pytestmark = pytest.mark.libraries
pytest.importorskip("adapters")
pytest.importorskip("peft")

from . import tiny, tiny_peft  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

LOOK = """
import json, sys, xlmerge
found = {}
for folder in sys.argv[1:]:
    with xlmerge.load(folder) as state:
        layers = sorted({p.layer for p in state.parameters.values()} - {None})
        found[folder.rpartition("/")[2]] = [
            sorted({p.part for p in state.parameters.values()}), layers, state.header.format
        ]
        for point in state.values():
            pass
heavy = {"torch", "transformers", "adapters", "peft"} & set(sys.modules)
print(json.dumps([found, sorted(heavy)]))
"""
PARTS = {"seq": "bottleneck", "double": "bottleneck", "par": "bottleneck", "rslora": "lora"} | {
    "patterns": "lora",
    "layers": "lora",
}


def test_every_kind_is_recognised_by_its_files_alone(tmp_path: Path) -> None:
    expected = {}
    for architecture in ("xlmr", "llama"):
        model = tiny.head_model(architecture)
        for kind, config in tiny.KINDS.items():
            name = f"adapters-{architecture}-{kind}"
            tiny.add_adapter(model, kind, config(), seed=1)
            model.save_adapter(str(tmp_path / name), kind)
            left_out = getattr(config(), "leave_out", [])
            layers = [layer for layer in range(tiny.LAYERS) if layer not in left_out]
            expected[name] = [_parts(kind), layers, "adapters"]
        for kind, config in tiny_peft.KINDS.items():
            name = f"peft-{architecture}-{kind}"
            tiny_peft.adapted(architecture, config(architecture), seed=1).save_pretrained(
                str(tmp_path / name)
            )
            layers = [0, 2] if kind == "layers" else list(range(tiny.LAYERS))
            expected[name] = [_parts(kind), layers, "peft"]
    command = [sys.executable, "-c", LOOK, *(str(tmp_path / name) for name in expected)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    found, heavy = json.loads(result.stdout)
    assert found == expected
    assert heavy == []


def _parts(kind: str) -> list[str]:
    first = kind.partition("_")[0]
    return sorted({PARTS.get(first, first)} | ({"invertible"} if kind.endswith("inv") else set()))
