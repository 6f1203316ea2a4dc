"""A training gives one result, whether it is killed, cut into parts, or shared by processes."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")

from builders import tiny_training as tiny  # noqa: E402
from builders.launched import LAUNCHERS, equal, launched, logs  # noqa: E402

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


def _train(base: Path, folder: Path, kind: str, **options: Any) -> dict[str, Any]:
    tiny.run(tiny.make_training(base, folder, kind), kind, **{**SETTINGS, **options})
    return tiny.weights(folder)


@pytest.mark.parametrize("kind", ["language", "task"])
def test_a_killed_training_goes_on_to_the_same_bits(kind: str, base: Path, tmp_path: Path) -> None:
    whole = _train(base, tmp_path / "whole", kind)
    folder = tmp_path / "killed"
    killed = launched(**SETTINGS, base=base, folder=folder, kind=kind, kill_at=8)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not list((folder / "out").glob("*.bin"))
    assert (folder / "scratch" / "checkpoint-000006").is_dir()
    resumed = _train(base, folder, kind)
    assert equal(whole, resumed)
    one, other = logs(tmp_path / "whole", folder)
    assert one == other


def test_another_seed_gives_other_bits(base: Path, tmp_path: Path) -> None:
    one = _train(base, tmp_path / "one", "language")
    work = tiny.make_training(base, tmp_path / "other", "language", seed=1)
    tiny.run(work, "language", **SETTINGS)
    assert not equal(one, tiny.weights(tmp_path / "other"))


@pytest.mark.parametrize("kind", ["language", "task"])
def test_parts_of_a_step_add_up(kind: str, base_without_dropout: Path, tmp_path: Path) -> None:
    one = _train(base_without_dropout, tmp_path / "one", kind, batch_size=7)
    parts = _train(
        base_without_dropout, tmp_path / "parts", kind, batch_size=7, gradient_accumulation=3
    )
    for name, tensor in one.items():
        torch.testing.assert_close(parts[name], tensor, rtol=0, atol=1e-6)
    assert not equal(one, parts), "in parts sums round otherwise: were there parts at all?"


def test_two_processes_give_what_one_gives(base_without_dropout: Path, tmp_path: Path) -> None:
    one = _train(base_without_dropout, tmp_path / "one", "language")
    two = tmp_path / "two"
    done = launched(
        *LAUNCHERS["torchrun"],
        **SETTINGS,
        base=base_without_dropout,
        folder=two,
        kind="language",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = tiny.weights(two)
    for name, tensor in one.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=1e-6)
    assert not equal(one, found), "two processes round otherwise: were there two at all?"
