"""Steps that compute their own gradients: what they draw, how they update, what they log."""

from __future__ import annotations

import csv
import functools
import json
from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.errors import DataError, ParameterError, TrainingError

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")

from builders import tiny_training as tiny  # noqa: E402
from xlmerge.runtime.training import Draw, FitOptions, Group, Step, fit, staged  # noqa: E402
from xlmerge.runtime.training.batches import encoded  # noqa: E402
from xlmerge.runtime.training.drawing import drawing_loader  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

BATCH, STEPS, RATE = 6, 4, 1e-2
HALVES = {
    "source": Draw(role="source", batch_size=8),
    "target": Draw(role="train", batch_size=BATCH, part=0, parts=2),
    "meta": Draw(role="train", batch_size=BATCH, part=1, parts=2),
}


@pytest.fixture
def work(base_without_dropout: Path, tmp_path: Path) -> Any:
    data = {
        "train": tiny.labelled(20, 1),
        "source": [(tiny.labelled(30, 3), None), (tiny.labelled(12, 4), None)],
    }
    columns = ("source", "position")
    return tiny.make_training(base_without_dropout, tmp_path, "task", data=data, columns=columns)


def _options(**more: Any) -> FitOptions:
    return FitOptions(**{"steps": STEPS, "learning_rate": RATE, "schedule": "constant", **more})


def _drawn(
    work: Any, draws: Mapping[str, Draw], *, steps: int = STEPS, **more: Any
) -> list[dict[str, list[Any]]]:
    """What this process draws: for each step, draw by name to its batches."""
    inputs = {draw.role: encoded(work, draw.role) for draw in draws.values()}
    return list(drawing_loader(inputs, draws, work, _options(**more), steps))


def _positions(batches: list[Any]) -> list[int]:
    return [position for batch in batches for position in batch["position"].tolist()]


# --- what is drawn ----------------------------------------------------------------------------


def test_halves_share_no_input_and_are_the_whole_step(work: Any) -> None:
    for at, step in enumerate(_drawn(work, HALVES)):
        target, meta = _positions(step["target"]), _positions(step["meta"])
        assert set(target).isdisjoint(meta)
        assert sorted(target + meta) == list(range(at * BATCH, (at + 1) * BATCH))
        assert len(target) == len(meta) == BATCH // 2


def test_halves_of_an_odd_number_differ_by_one(work: Any) -> None:
    draws = {n: Draw(role="train", batch_size=5, part=p, parts=2) for p, n in enumerate("ab")}
    [step] = _drawn(work, draws, steps=1)
    assert (_positions(step["a"]), _positions(step["b"])) == ([0, 2, 4], [1, 3])


def _sentences(step: dict[str, list[Any]], draw: str) -> set[tuple[int, ...]]:
    """The inputs of a draw, without their padding."""
    return {
        tuple(ids[mask.bool()].tolist())
        for batch in step[draw]
        for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
    }


def test_halves_share_no_row_where_lengths_are_left_alone(work: Any) -> None:
    """Three steps of 6 lie within the first pass over 20 rows."""
    for step in _drawn(work, HALVES, steps=3, length_bucketing=False):
        assert _sentences(step, "target").isdisjoint(_sentences(step, "meta"))


def test_halves_share_no_row_by_default(work: Any) -> None:
    """Rows of like length share a batch; copies of one row do not."""
    for step in _drawn(work, HALVES, steps=3):
        assert _sentences(step, "target").isdisjoint(_sentences(step, "meta"))


def test_each_role_has_its_own_size_and_its_own_rows(work: Any) -> None:
    for step in _drawn(work, HALVES):
        assert len(_positions(step["source"])) == 8
        assert not set(torch.cat([b["source"] for b in step["target"]]).tolist()) - {0}
    seen = torch.cat([b["source"] for step in _drawn(work, HALVES) for b in step["source"]])
    assert set(seen.tolist()) == {0, 1}


@pytest.mark.parametrize(("processes", "parts"), [(1, 3), (2, 1), (3, 1)])
def test_draws_are_the_same_in_processes_and_in_parts(
    processes: int, parts: int, work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = _drawn(work, HALVES)
    shared = []
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    for rank in range(processes):
        monkeypatch.setenv("RANK", str(rank))
        shared.append(_drawn(work, HALVES, gradient_accumulation=parts))
    for at, step in enumerate(alone):
        for name in HALVES:
            pieces = [batch for one in shared for batch in one[at][name]]
            assert len(pieces) == processes * parts
            assert _positions(pieces) == _positions(step[name])
            one, all_ = ({"d": found} for found in (step[name], pieces))
            assert _sentences(one, "d") == _sentences(all_, "d")


def test_too_few_inputs_for_the_processes_are_refused(
    work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(
        ParameterError, match=r"takes 3 inputs for `target`, but .* 2 parts by 2 pr"
    ):
        _drawn(work, HALVES, gradient_accumulation=2)


@pytest.mark.parametrize(("part", "parts"), [(2, 2), (-1, 2), (0, 0), (0, 7)])
def test_a_part_that_is_not_there_is_refused(part: int, parts: int) -> None:
    with pytest.raises(ParameterError, match=f"has no part {part} of {parts}"):
        Draw(role="train", batch_size=6, part=part, parts=parts)


def test_draws_of_one_role_take_one_batch_size() -> None:
    draws = {"a": Draw(role="train", batch_size=6), "b": Draw(role="train", batch_size=4)}
    with pytest.raises(ParameterError, match="draws of `train` take different batch sizes"):
        Step(gradients=lambda batches, moment: {}, draws=draws)


# --- how it updates ---------------------------------------------------------------------------


class _Ones:
    """Gradients of one for everything, and what was seen on the way."""

    def __init__(self, parameters: Mapping[str, Any], scale: float = 1.0, **logged: float) -> None:
        self.parameters, self.scale, self.logged = parameters, scale, logged
        self.norms: list[dict[str, float]] = []
        self.rates: list[float] = []
        self.optimizer: Any = None

    def __call__(self, batches: Any, moment: Any) -> dict[str, Any]:
        del batches
        if self.optimizer is None:
            self.optimizer = moment.optimizer
            # The library's wrapper has no hooks of its own.
            self.optimizer.optimizer.register_step_pre_hook(self._look)
        self.rates.append(moment.learning_rate)
        for parameter in self.parameters.values():
            parameter.grad = torch.full_like(parameter, self.scale)
        return {"loss": torch.tensor(1.0), **{n: torch.tensor(v) for n, v in self.logged.items()}}

    def _look(self, *_: Any) -> None:
        found = {n: p.grad for n, p in self.parameters.items() if p.grad is not None}
        self.norms.append({n: float(g.norm()) for n, g in found.items()})


def _fitted(
    work: Any, gradients: Callable[[dict[str, Any]], Any], head: Mapping[str, Any], **more: Any
) -> tuple[Any, dict[str, Any], dict[str, Any], set[str]]:
    """One training; its gradients, parameters before and after, and those of its head.

    Args:
        work: The training.
        gradients: From parameters to the step's function.
        head: Fields of a group for the head; none if empty.
        more: Options.
    """
    with staged(work) as stage:
        parameters = {**stage.adapter, **stage.head}
        made = gradients(parameters)
        groups = (Group(names=frozenset(stage.head), **head),) if head else ()
        step = Step(gradients=made, draws=HALVES, groups=groups)
        before = {name: p.detach().clone() for name, p in parameters.items()}
        fit(work, parameters, _options(**more), runs=stage.runs, step=step)
        after = {name: p.detach().clone() for name, p in parameters.items()}
        return made, before, after, set(stage.head)


def test_a_group_has_its_own_rate_and_the_schedule_of_all(work: Any) -> None:
    made, before, after, head = _fitted(
        work, _Ones, {"learning_rate": 0.3}, steps=2, warmup=0.5, schedule="linear"
    )
    assert made.rates == pytest.approx([RATE / 2, RATE])
    for name, start in before.items():
        peak = 0.3 if name in head else RATE
        moved = start - after[name]  # Adam goes the rate along a gradient that stays
        torch.testing.assert_close(moved, torch.full_like(moved, 1.5 * peak), rtol=1e-4, atol=1e-6)


def test_a_group_decays_by_its_own_figure(work: Any) -> None:
    """Without gradients decay alone is left: matrices by the option, groups by theirs."""
    zeros = functools.partial(_Ones, scale=0.0)
    options = {"steps": 1, "weight_decay": 0.5}
    _, before, after, head = _fitted(work, zeros, {"learning_rate": 0.3}, **options)
    assert any(start.ndim > 1 for start in before.values())
    for name, start in before.items():
        decays = name not in head and start.ndim > 1
        torch.testing.assert_close(after[name], start * (1 - RATE * 0.5) if decays else start)
    _, before, after, head = _fitted(
        work, zeros, {"learning_rate": 0.3, "weight_decay": 0.1}, **options
    )
    for name in head:
        torch.testing.assert_close(after[name], before[name] * (1 - 0.3 * 0.1))


@pytest.mark.parametrize("clipped", [True, False])
def test_a_group_is_cut_with_the_others_only_if_it_says_so(clipped: bool, work: Any) -> None:
    made, _, _, head = _fitted(
        work, _Ones, {"learning_rate": RATE, "clipped": clipped}, steps=1, max_grad_norm=0.5
    )
    [norms] = made.norms
    whole = {name: p.numel() ** 0.5 for name, p in made.parameters.items()}
    cut = [name for name in norms if clipped or name not in head]
    assert sum(norms[name] ** 2 for name in cut) ** 0.5 == pytest.approx(0.5, rel=1e-4)
    for name in set(norms) - set(cut):
        assert norms[name] == pytest.approx(whole[name])


def test_some_parameters_may_be_updated_before_the_others(work: Any) -> None:
    """They move at once, the others at the end; Adam counts one step for each."""
    seen = []

    class First(_Ones):
        def __call__(self, batches: Any, moment: Any) -> dict[str, Any]:
            found = super().__call__(batches, moment)
            head = {n: p for n, p in self.parameters.items() if n.startswith("heads.")}
            held = {n: p.detach().clone() for n, p in self.parameters.items()}
            moment.update(head.values())
            for name, p in self.parameters.items():
                seen.append(torch.equal(p.detach(), held[name]) == (name not in head))
                seen.append((p.grad is None) == (name in head))
            return found

    made, before, after, head = _fitted(work, First, {"learning_rate": 0.3})
    assert head
    assert all(name.startswith("heads.") for name in head)
    assert seen
    assert all(seen)
    for name, p in made.parameters.items():
        assert float(made.optimizer.state[p]["step"]) == STEPS
        moved = before[name] - after[name]
        rate = 0.3 if name in head else RATE
        torch.testing.assert_close(
            moved, torch.full_like(moved, STEPS * rate), rtol=1e-3, atol=1e-5
        )
    assert [set(norms) for norms in made.norms[:2]] == [head, set(before) - head]


# --- what it logs -----------------------------------------------------------------------------


def _logging(work: Any, values: Callable[[int], dict[str, float]], **more: Any) -> Any:
    """A training of five steps whose numbers are given."""
    with staged(work) as stage:
        ones = _Ones({**stage.adapter, **stage.head})

        def gradients(batches: Any, moment: Any) -> dict[str, Any]:
            ones(batches, moment)
            return {name: torch.tensor(value) for name, value in values(moment.step).items()}

        step = Step(gradients=gradients, draws=HALVES, logged=("height", "depth"))
        options = _options(steps=5, log_every=2, **more)
        return fit(work, ones.parameters, options, runs=stage.runs, step=step)


def test_logged_numbers_are_means_since_the_last_line(work: Any) -> None:
    _logging(work, lambda step: {"loss": 1.0 + step, "height": 10.0 * step, "depth": -1.0 * step})
    with (work.output / "log.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[-2:] == ["height", "depth"]
    found = [tuple(float(row[key]) for key in ("step", "loss", "height", "depth")) for row in rows]
    assert found == [(1, 1, 0, 0), (2, 2, 10, -1), (4, 3.5, 25, -2.5), (5, 5, 40, -4)]
    lines = [json.loads(s) for s in (work.output / "log.jsonl").read_text().splitlines()]
    assert [line["height"] for line in lines] == [0, 10, 25, 40]


def test_a_loss_that_is_not_finite_ends_it(work: Any) -> None:
    with pytest.raises(TrainingError, match="the loss is nan at step 3 of 5"):
        _logging(
            work,
            lambda step: {"loss": float("nan") if step == 2 else 1.0, "height": 0.0, "depth": 0.0},
        )


def test_numbers_that_were_not_promised_are_refused(work: Any) -> None:
    with pytest.raises(TrainingError, match=r"the step gives loss, height; .* loss, height, depth"):
        _logging(work, lambda step: {"loss": 1.0, "height": 0.0 * step})


def test_a_group_of_a_strange_name_is_refused(work: Any) -> None:
    with staged(work) as stage:
        step = Step(
            gradients=_Ones(stage.head),
            draws=HALVES,
            groups=(Group(names=frozenset({"nowhere"}), learning_rate=1.0),),
        )
        with pytest.raises(ParameterError, match="a group names `nowhere`, which is not trained"):
            fit(work, stage.head, _options(), runs=stage.runs, step=step)


def test_a_role_without_data_is_refused(work: Any) -> None:
    with staged(work) as stage:
        step = Step(gradients=_Ones(stage.head), draws={"a": Draw(role="elsewhere", batch_size=2)})
        with pytest.raises(DataError, match="elsewhere"):
            fit(work, stage.head, _options(), runs=stage.runs, step=step)


def test_a_step_that_draws_nothing_is_refused() -> None:
    with pytest.raises(ParameterError, match="draws nothing"):
        Step(gradients=lambda batches, moment: {}, draws={})
