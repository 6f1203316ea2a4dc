"""Task adapters: learnt on frozen adapters, with their heads and labels in the folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.errors import CompositionError

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")

from builders import tiny_training as tiny  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

SHORT: dict[str, Any] = {"steps": 6, "batch_size": 8, "learning_rate": 1e-2}


def test_it_learns_the_task(base: Path, tmp_path: Path) -> None:
    data = {"train": tiny.labelled(300, 1), "validation": tiny.labelled(60, 2)}
    work = tiny.make_training(base, tmp_path, "task", data=data)
    report = tiny.run(work, "task", epochs=4, batch_size=8, learning_rate=3e-2, patience=0)
    before, best = report["validation_before"], report["validation_best"]
    assert best["macro_f1"] > before["macro_f1"] + 20
    assert report["epochs"] == pytest.approx(4, abs=0.2)
    assert "macro_f1" in report["summary"]


def test_ten_epochs_if_nothing_is_said(base: Path, tmp_path: Path) -> None:
    report = tiny.run(tiny.make_training(base, tmp_path, "task"), "task", patience=0)
    assert report["planned_steps"] == -(-10 * 60 // 16)
    lines = [json.loads(s) for s in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    scored = [line["step"] for line in lines if "validation_macro_f1" in line]
    assert scored == [-(-epoch * 60 // 16) for epoch in range(1, 11)]


def test_the_folder_loads_with_head_and_labels(base: Path, tmp_path: Path) -> None:
    from adapters import AutoAdapterModel

    from libraries import tiny as libraries
    from xlmerge.plugin.trees import Leaf
    from xlmerge.runtime.composing import compose

    work = tiny.make_training(base, tmp_path, "task")
    tiny.run(work, "task", **SHORT)
    head = json.loads((work.output / "head_config.json").read_text())
    assert head["config"]["label2id"] == {"early": 0, "late": 1}
    live = work.live
    inputs = live.tokenizer(tiny.sentences(1, 5), return_tensors="pt")
    with torch.no_grad(), compose(live, Leaf("a"), {"a": work.output}, live.registry) as run:
        ours = run(dict(inputs)).logits
    plain = AutoAdapterModel.from_pretrained(str(base))
    assert libraries.load(plain, work.output) == "fresh"
    plain.eval()
    plain.set_active_adapters("fresh")
    plain.active_head = "fresh"
    with torch.no_grad():
        libraries.close(ours, plain(**inputs).logits)


def test_it_is_trained_on_what_lies_beneath(base: Path, tmp_path: Path) -> None:
    """With and without a language adapter the same seed gives other weights."""
    from xlmerge.plugin.trees import parse_tree

    language = tiny.make_training(base, tmp_path / "language", "language")
    tiny.run(language, "language", **SHORT)
    alone = tiny.make_training(base, tmp_path / "alone", "task")
    tiny.run(alone, "task", **SHORT)
    folders = {"mother": language.output}
    stacked = tiny.make_training(
        base, tmp_path / "stacked", "task", on=parse_tree("mother"), folders=folders
    )
    tiny.run(stacked, "task", **SHORT)
    one, other = tiny.weights(tmp_path / "alone"), tiny.weights(tmp_path / "stacked")
    assert one.keys() == other.keys()
    assert not any(torch.equal(one[name], other[name]) for name in one if "bias" not in name)


def test_an_invertible_task_adapter_on_another_is_refused(base: Path, tmp_path: Path) -> None:
    from xlmerge.plugin.trees import parse_tree

    language = tiny.make_training(base, tmp_path / "language", "language")
    tiny.run(language, "language", **SHORT)
    work = tiny.make_training(
        base,
        tmp_path / "task",
        "task",
        on=parse_tree("mother"),
        folders={"mother": language.output},
        adapter=tiny.named_config("seq_bn_inv"),
    )
    with pytest.raises(CompositionError, match="invertible"):
        tiny.run(work, "task", **SHORT)
    assert "fresh" not in work.live.adapters()


def test_several_sources_are_mixed(base: Path, tmp_path: Path) -> None:
    data = {
        "train": [(tiny.labelled(30, 1), 2.0), (tiny.labelled(50, 2), 1.0)],
        "validation": [(tiny.labelled(20, 3), None), (tiny.labelled(10, 4), None)],
    }
    work = tiny.make_training(base, tmp_path, "task", data=data, labels=["early", "late"])
    report = tiny.run(work, "task", epochs=1, batch_size=8)
    assert report["planned_steps"] == 10
