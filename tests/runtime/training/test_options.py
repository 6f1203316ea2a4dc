"""When a training evaluates, saves and logs, and how its rate goes."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any

import pytest

pytestmark = pytest.mark.libraries
pytest.importorskip("torch")

from xlmerge.errors import ParameterError  # noqa: E402
from xlmerge.plugin.fit_options import _shared  # noqa: E402
from xlmerge.runtime.training import FitOptions  # noqa: E402


def test_what_trainers_declare_is_what_the_loop_takes() -> None:
    declared = {name: p.default for name, p in inspect.signature(_shared).parameters.items()}
    assert declared == {field.name: field.default for field in fields(FitOptions)}


@pytest.mark.parametrize(
    ("given", "inputs", "total", "evaluations"),
    [
        ({"epochs": 3, "batch_size": 10}, 25, 8, {3, 5, 8}),
        ({"epochs": 2, "batch_size": 100}, 25, 1, {1}),
        ({"steps": 20}, 25, 20, set(range(2, 21, 2))),
        ({"steps": 4}, 25, 4, {1, 2, 3, 4}),
        ({"steps": 10, "evaluate_every": 4}, 25, 10, {4, 8, 10}),
        ({"steps": 10, "evaluate_every": 50}, 25, 10, {10}),
    ],
)
def test_evaluations_come_each_epoch_or_ten_times_and_at_the_end(
    given: dict[str, Any], inputs: int, total: int, evaluations: set[int]
) -> None:
    options = FitOptions(**given)
    assert options.total_steps(inputs) == total
    assert options.evaluations(inputs) == evaluations


def test_neither_steps_nor_epochs_is_refused() -> None:
    with pytest.raises(ParameterError, match="found neither"):
        FitOptions()


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_the_rate_rises_to_its_peak_and_never_stands_still(schedule: Any) -> None:
    options = FitOptions(steps=100, warmup=0.1, schedule=schedule)
    rates = [options.rate(step, 100) for step in range(100)]
    assert all(0 < rate <= 1 for rate in rates)
    assert rates[10] == 1
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    last = {"linear": 1 / 90, "cosine": 0.0003, "constant": 1.0}[schedule]
    assert rates[-1] == pytest.approx(last, rel=0.05)


def test_checkpoints_come_ten_times_but_at_least_every_500_steps() -> None:
    assert FitOptions(steps=95).between_checkpoints(9) == 10
    assert FitOptions(steps=250_000).between_checkpoints(9) == 500
    assert FitOptions(steps=95, save_every=7).between_checkpoints(9) == 7


def test_how_often_is_written_does_not_part_two_trainings() -> None:
    one, other = FitOptions(steps=9), FitOptions(steps=9, log_every=1, save_every=2)
    assert one.settings() == other.settings()
    assert one.settings() != FitOptions(steps=9, warmup=0.1).settings()
