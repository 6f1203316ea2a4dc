"""The model card: for people, and for the hub."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from builders import make, merge
from xlmerge.checkpoint.model_card import model_card

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("kind", "library", "loading"),
    [
        ("seq_bn_inv", "adapters", "model.load_adapter("),
        ("peft_lora", "peft", "PeftModel.from_pretrained("),
    ],
)
def test_what_a_card_says(tmp_path: Path, kind: str, library: str, loading: str) -> None:
    folders = [make(tmp_path / name, kind, seed=i, labels=2) for i, name in enumerate("ab")]
    weights = dict(zip(folders, (0.25, 0.75), strict=True))
    parameters = {} if library == "adapters" else {"tolerance": 0.1}
    out = merge("linear", weights, heads="drop", output=tmp_path / "bridge", parameters=parameters)
    card = (out / "README.md").read_text()
    _, front, body = card.split("---\n", 2)
    assert yaml.safe_load(front) == {
        "library_name": library,
        "base_model": "xlm-roberta-base",
        "tags": [library, "xlmerge", "linear"],
    }
    for words in (
        "# bridge",
        "merged from 2 adapters by `linear`",
        "It was not trained.",
        "| a | weight 0.25 |",
        str(folders[1]),
        "prediction head: dropped",
        loading,
    ):
        assert words in body
    assert ("`tolerance`: 0.1" in body) == (library == "peft")
    assert ("discarded" in body) == (library == "peft")


def test_nothing_breaks_out_of_its_cell(tmp_path: Path) -> None:
    folder = make(tmp_path / "a|b", "seq_bn")
    out = merge("linear", {folder: 1.0}, output=tmp_path / "out")
    record = json.loads((out / "xlmerge.json").read_text())
    record["inputs"][0]["reference"] = "a|b\n| x | y |"
    [row] = [line for line in model_card(record).splitlines() if "a\\|b" in line]
    assert row.replace("\\|", "").count("|") == 5


@pytest.mark.parametrize("container", ["bin", "safetensors"])
def test_the_card_tells_how_the_file_is_loaded(tmp_path: Path, container: str) -> None:
    """`load_adapter` looks for .bin unless it is told otherwise."""
    folder = make(tmp_path / "a", "seq_bn")
    out = merge("linear", {folder: 1.0}, output=tmp_path / "out", format=container)
    option = "use_safetensors=True" in (out / "README.md").read_text()
    assert option == (container == "safetensors")
