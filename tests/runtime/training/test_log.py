"""The log: a table that can be plotted, and TensorBoard's files if it is there."""

from __future__ import annotations

import csv
import json
import sys
import types
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")

from builders import tiny_training as tiny  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

SHORT: dict[str, Any] = {
    "steps": 6,
    "batch_size": 8,
    "learning_rate": 1e-2,
    "evaluate_every": 3,
    "log_every": 2,
}


def test_each_line_has_its_columns(base: Path, tmp_path: Path) -> None:
    said: list[tuple[int, int, str]] = []
    work = tiny.make_training(
        base, tmp_path, "task", progress=lambda done, total, note: said.append((done, total, note))
    )
    tiny.run(work, "task", **SHORT)
    with (work.output / "log.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4", "6"]
    assert all(float(row["loss"]) > 0 and float(row["grad_norm"]) > 0 for row in rows)
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates == sorted(rates, reverse=True)
    assert [bool(row["validation_macro_f1"]) for row in rows] == [False, False, True, False, True]
    lines = [json.loads(line) for line in (work.output / "log.jsonl").read_text().splitlines()]
    assert [line["loss"] for line in lines] == [float(row["loss"]) for row in rows]
    assert [(done, total) for done, total, _ in said] == [(s, 6) for s in (1, 2, 3, 4, 6)]
    assert said[-1][2].startswith(f"loss {lines[-1]['loss']:.3f}, best macro_f1")


def test_a_line_is_the_mean_since_the_one_before(base: Path, tmp_path: Path) -> None:
    losses = []
    for every in (1, 3):
        work = tiny.make_training(base, tmp_path / str(every), "language")
        tiny.run(work, "language", **{**SHORT, "evaluate_every": 6, "log_every": every})
        lines = (work.output / "log.jsonl").read_text().splitlines()
        losses.append({line["step"]: line["loss"] for line in map(json.loads, lines)})
    one, three = losses
    assert three[3] == pytest.approx((one[2] + one[3]) / 2)
    assert three[6] == pytest.approx((one[4] + one[5] + one[6]) / 3)


def test_tensorboard_gets_the_same_numbers(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in: the real one is no dependency."""
    scalars: list[tuple[str, float, int]] = []

    class Writer:
        def __init__(self, folder: str) -> None:
            self.folder = folder

        def add_scalar(self, key: str, value: float, step: int) -> None:
            scalars.append((key, value, step))

        def close(self) -> None:
            scalars.append(("closed", 0, 0))

    from xlmerge.runtime.training import log

    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr(log, "find_spec", lambda name: name)
    work = tiny.make_training(base, tmp_path, "language")
    tiny.run(work, "language", **SHORT, tensorboard=True)
    lines = [json.loads(line) for line in (work.output / "log.jsonl").read_text().splitlines()]
    assert [(v, s) for k, v, s in scalars if k == "loss"] == [
        (line["loss"], line["step"]) for line in lines
    ]
    assert scalars[-1][0] == "closed"


def test_without_tensorboard_the_report_says_so(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xlmerge.runtime.training import log

    monkeypatch.setattr(log, "find_spec", lambda name: None)
    work = tiny.make_training(base, tmp_path, "language")
    with pytest.warns(UserWarning, match="tensorboard is not installed"):
        report = tiny.run(work, "language", **SHORT, tensorboard=True)
    assert "not installed" in report["tensorboard"]
    assert not (work.output / "tensorboard").exists()
