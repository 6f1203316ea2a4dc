"""How long inputs may be, by the base model's configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from builders.live import live_problems, make_base, write_live_recipe
from xlmerge.plan.lengths import positions

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("config", "most"),
    [
        ({"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514}, 512),
        ({"model_type": "bert", "max_position_embeddings": 512, "pad_token_id": 0}, 512),
        ({"model_type": "t5"}, None),
        ({"model_type": "bert", "max_position_embeddings": -1}, None),
    ],
    ids=str,
)
def test_positions(config: dict[str, Any], most: int | None) -> None:
    assert positions(config) == most


@pytest.mark.parametrize(
    "step",
    [
        {"train": "fake", "task": {"guess": {"max_length": 39}}, "data": "data"},
        {"evaluate": {"guess": {"max_length": 39}}, "data": "data", "compose": "two"},
        {"evaluate": "guess", "data": "data", "compose": "two", "with": {"max_length": 39}},
    ],
    ids=str,
)
def test_inputs_that_are_too_long(tmp_path: Path, step: dict[str, Any]) -> None:
    make_base(tmp_path / "short" / "base", max_position_embeddings=40, pad_token_id=1)
    recipe = write_live_recipe(tmp_path, {"out": step}, base_model="./short/base")
    [problem] = live_problems(recipe)
    for word in ("39 tokens", "positions for 38", "max_length: 38"):
        assert word in problem
