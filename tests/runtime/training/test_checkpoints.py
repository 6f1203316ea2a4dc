"""Checkpoints: small, whole or absent, and passed over where they are damaged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")

from builders import tiny_training as tiny  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS: dict[str, Any] = {
    "steps": 12,
    "batch_size": 8,
    "learning_rate": 1e-2,
    "save_every": 3,
    "evaluate_every": 4,
    "log_every": 1,
}


class _StopError(Exception):
    """In place of a kill."""


def _stopped(base: Path, folder: Path, at: int, **more: Any) -> Path:
    """A training that ends after a step; its folder of checkpoints."""

    def progress(done: int, total: int, note: str) -> None:
        if done == at:
            raise _StopError

    work = tiny.make_training(base, folder, "language", progress=progress, **more)
    with pytest.raises(_StopError):
        tiny.run(work, "language", **SETTINGS)
    return work.scratch


def _resumed(base: Path, folder: Path, **options: Any) -> tuple[dict[str, Any], list[int]]:
    """Its result, and the steps that were made again."""
    steps: list[int] = []
    work = tiny.make_training(
        base, folder, "language", progress=lambda done, total, note: steps.append(done)
    )
    tiny.run(work, "language", **{**SETTINGS, **options})
    return tiny.weights(folder), steps


@pytest.fixture(scope="module")
def whole(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return _resumed(base, tmp_path_factory.mktemp("whole"))[0]


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_they_hold_what_is_trained_and_no_more(base: Path, tmp_path: Path) -> None:
    scratch = _stopped(base, tmp_path, 8)
    found = sorted(p.name for p in scratch.iterdir())
    assert found == [
        "best-000004",
        "best-000008",
        "checkpoint-000003",
        "checkpoint-000006",
        "initial",
    ]
    assert sorted(p.name for p in (scratch / "checkpoint-000006").iterdir()) == [
        *("complete.json", "optimizer.pt", "progress.json", "rng_state.pth", "scheduler.pt"),
        *("trained.pt", "trainer_state.json"),
    ]
    tensors = torch.load(scratch / "checkpoint-000006" / "trained.pt", weights_only=True)
    assert all(".fresh." in name for name in tensors)
    assert len(tensors) == 4 * 2 + 8


def _cut(folder: Path) -> None:
    file = folder / "optimizer.pt"
    file.write_bytes(file.read_bytes()[:-100])


def _flip(folder: Path) -> None:
    file = folder / "trained.pt"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255
    file.write_bytes(bytes(content))


@pytest.mark.parametrize(
    "damage",
    [
        _cut,
        _flip,
        lambda folder: (folder / "complete.json").unlink(),
        lambda folder: (folder / "scheduler.pt").unlink(),
        lambda folder: (folder / "progress.json").write_text("{"),
        lambda folder: folder.rename(folder.with_name(folder.name + ".partial")),
    ],
    ids=["cut", "flipped", "incomplete", "missing", "no json", "half-written"],
)
def test_a_damaged_one_is_passed_over(
    damage: Any, base: Path, tmp_path: Path, whole: dict[str, Any]
) -> None:
    scratch = _stopped(base, tmp_path, 8)
    damage(scratch / "checkpoint-000006")
    result, steps = _resumed(base, tmp_path)
    assert steps[0] == 4, "from the one of step 3 on"
    assert _same(whole, result)


def test_all_damaged_starts_anew(base: Path, tmp_path: Path, whole: dict[str, Any]) -> None:
    scratch = _stopped(base, tmp_path, 8)
    for step in (3, 6):
        _cut(scratch / f"checkpoint-{step:06d}")
    result, steps = _resumed(base, tmp_path)
    assert steps[0] == 1
    assert _same(whole, result)


def test_those_of_another_training_are_no_use(base: Path, tmp_path: Path) -> None:
    _stopped(base, tmp_path, 8)
    _, steps = _resumed(base, tmp_path, learning_rate=2e-2)
    assert steps[0] == 1


def test_a_finished_training_is_not_repeated(
    base: Path, tmp_path: Path, whole: dict[str, Any]
) -> None:
    _resumed(base, tmp_path)
    result, steps = _resumed(base, tmp_path)
    assert steps == []
    assert _same(whole, result)


def test_two_are_kept_and_the_best(base: Path, tmp_path: Path) -> None:
    _resumed(base, tmp_path)
    names = {p.name for p in (tmp_path / "scratch").iterdir()}
    assert {n for n in names if n.startswith("checkpoint")} == {
        "checkpoint-000009",
        "checkpoint-000012",
    }
    progress = json.loads((tmp_path / "scratch/checkpoint-000012/progress.json").read_text())
    best = progress["progress"]["best_step"]
    assert f"best-{best:06d}" in names


def test_the_best_state_is_the_result(base: Path, tmp_path: Path) -> None:
    """The scores of the result, taken again, are the best of the log."""
    work = tiny.make_training(base, tmp_path, "task")
    report = tiny.run(work, "task", **{**SETTINGS, "learning_rate": 0.3, "evaluate_every": 1})
    assert report["best_step"] < SETTINGS["steps"], "choose another rate: the last is the best"
    lines = [json.loads(s) for s in (tmp_path / "out/log.jsonl").read_text().splitlines()]
    scores = {line["step"]: line["validation_macro_f1"] for line in lines}
    assert report["validation_best"]["macro_f1"] == max(scores.values())
    live = work.live
    live.load_adapter("again", work.output)
    live.load_head("again", work.output)
    with live.activated("again", head="again"):
        from xlmerge.runtime import score

        found = score(
            lambda batch: work.task.outputs(live, batch),
            work.task,
            work.data["validation"],
            work.labels,
            live.tokenizer,
            device=live.device,
        )
    assert found.metrics["macro_f1"] == pytest.approx(max(scores.values()))


def test_patience_ends_a_training_early(base: Path, tmp_path: Path) -> None:
    work = tiny.make_training(base, tmp_path, "task")
    report = tiny.run(
        work,
        "task",
        **{**SETTINGS, "steps": 40, "learning_rate": 0.3, "evaluate_every": 1},
        patience=3,
    )
    assert report["stopped_early"]
    assert report["steps"] == report["best_step"] + 3
    again = tiny.make_training(base, tmp_path, "task")
    repeated = tiny.run(
        again,
        "task",
        **{**SETTINGS, "steps": 40, "learning_rate": 0.3, "evaluate_every": 1},
        patience=3,
    )
    assert repeated["steps"] == report["steps"]
