"""Adapters as data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import xlmerge
from builders import KINDS, edit_config, make, tensors
from xlmerge.errors import CheckpointError, UnsupportedAdapterError
from xlmerge.spaces import LowRank

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("kind", KINDS)
def test_points_by_name(tmp_path: Path, kind: str) -> None:
    with xlmerge.load(make(tmp_path / "mine", kind, labels=2)) as state:
        assert len(state) == len(list(state)) == len(state.parameters)
        for name, parameter in state.parameters.items():
            dense = state.dense(name)
            assert dense.shape == parameter.shape
            assert not any("classifier" in part for part in name.split("."))
        with pytest.raises(KeyError):
            state["nothing"]


def test_low_rank_points(tmp_path: Path) -> None:
    folder = make(tmp_path / "mine", "lora")
    with xlmerge.load(folder) as state:
        name = "encoder.layer.1.attention.self.query"
        point = state[name]
        assert isinstance(point, LowRank)
        assert (point.rank, point.scale) == (2, 2.0)
        stored = tensors(folder)
        start = f"roberta.{name}.loras.mine.lora_"
        expected = 2 * stored[start + "B"] @ stored[start + "A"]
        np.testing.assert_allclose(state.dense(name), expected, rtol=1e-6)


def test_what_is_no_adapter(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        xlmerge.load("./nowhere")
    folder = make(tmp_path / "mine", "seq_bn")
    edit_config(folder, use_gating=True)
    with pytest.raises(UnsupportedAdapterError, match="use_gating"):
        xlmerge.load(folder)
