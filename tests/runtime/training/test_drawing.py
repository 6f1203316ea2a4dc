"""Batches from several roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.libraries

from builders import tiny_training as tiny  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path


def test_roles_of_one_size_are_not_drawn_in_one_order(tmp_path: Path) -> None:
    """Else each row of parallel data would stand beside its translation."""
    from xlmerge.runtime.training import Draw, FitOptions
    from xlmerge.runtime.training.batches import encoded
    from xlmerge.runtime.training.drawing import drawing_loader

    rows = tiny.labelled(40, 1)
    work = tiny.make_training(
        tiny.save_base(tmp_path / "base"),
        tmp_path,
        "task",
        data={"source": rows, "train": rows},
        columns=("position",),
        validation=False,
    )
    draws = {role: Draw(role=role, batch_size=8) for role in ("source", "train")}
    inputs = {role: encoded(work, role) for role in draws}
    options = FitOptions(steps=5, batch_size=8, length_bucketing=False)
    steps: list[Any] = [*drawing_loader(inputs, draws, work, options, 5)]
    same = seen = 0
    for batches in steps:
        pairs = [batches[role][0]["input_ids"].tolist() for role in ("source", "train")]
        same += sum(a[:6] == b[:6] for a, b in zip(*pairs, strict=True))
        seen += len(pairs[0])
    assert seen == 40
    assert same < 10
