# ruff: noqa: S101 - the asserts of a test suite
"""What every trainer has to keep to, one function a law; on given rows, in a tiny model."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from xlmerge.plugin import leaves
from xlmerge.testing.bench import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from xlmerge.plugin import Registry, Task, Trainer, Tree

__all__ = [
    "TrainerCase",
    "TrainingRun",
    "check_a_whole_adapter_is_written",
    "check_another_seed_gives_other_numbers",
    "check_nothing_else_changes",
    "check_random_state_is_left_alone",
    "check_report_is_plain",
    "check_same_seed_same_numbers",
    "check_training_changes_the_adapter",
    "run_training",
]

STEP = "trained"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainerCase:
    """All that decides one training.

    Attributes:
        trainer: The trainer.
        registry: Architectures, rules, tasks.
        task: The task.
        task_options: Its options, where not the defaults.
        data: Role to rows.
        adapter: Configuration of the new adapter: a name, or all fields.
        beneath: Frozen adapters, name to configuration.
        on: Their composition; None to train alone.
        options: What stands under ``with``, where not the defaults.
    """

    trainer: Trainer
    registry: Registry
    task: Task
    task_options: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Sequence[Mapping[str, Any]]]
    adapter: str | Mapping[str, Any]
    beneath: Mapping[str, str | Mapping[str, Any]] = field(default_factory=dict)
    on: Tree | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def attention(self) -> str | None:
        """The attention implementation that the trainer asks for with these options."""
        return self.trainer.attention_for(_values(self.trainer, self.options))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingRun:
    """What one training did.

    Attributes:
        case: The training.
        bench: The model it ran in.
        output: The result's folder.
        before: State of the model before it, see :meth:`Bench.state`.
        after: After it.
        files: Content of the frozen adapters' files before.
        randomness: State of the global random generators before and after, as texts.
        report: What the trainer reported.
    """

    case: TrainerCase
    bench: Bench
    output: Path
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    files: Mapping[Path, bytes]
    randomness: tuple[str, str]
    report: Mapping[str, Any]


def run_training(case: TrainerCase, folder: Path, *, seed: int = 0) -> TrainingRun:
    """Train in a fresh tiny model.

    Args:
        case: What to train.
        folder: An empty folder, for the result and whatever else is written.
        seed: Of the training.
    """
    from xlmerge.runtime import Training
    from xlmerge.runtime.tiny import tiny_rows

    for name in ("adapters", "output", "scratch"):
        (folder / name).mkdir()
    bench = Bench(case.registry, folder / "adapters", attention=case.attention)
    for at, (name, config) in enumerate(case.beneath.items(), start=1):
        bench.make(name, config, seed=at)
    # The head that a pre-trained checkpoint brings.
    bench.live.add_head(
        "default",
        {
            "head_type": "masked_lm",
            "vocab_size": len(bench.live.tokenizer),
            "layers": 2,
            "activation_function": "gelu",
            "layer_norm": True,
            "bias": True,
            "shift_labels": False,
            "label2id": None,
        },
    )
    logic = case.task.function(**_values(case.task, case.task_options))
    logic.prepare(bench.live.model)
    rows = {role: tiny_rows(given) for role, given in case.data.items()}
    work = Training(
        live=bench.live,
        name=STEP,
        task=logic,
        labels=logic.label_names(next(iter(rows.values()))),
        data={
            role: [(found, None)] if role in case.trainer.many else found
            for role, found in rows.items()
        },
        adapter=bench.config(case.adapter),
        output=folder / "output",
        scratch=folder / "scratch",
        seed=seed,
        on=case.on,
        folders=dict(bench.folders),
        metric=case.task.metric,
        greater_is_better=case.task.greater_is_better,
        columns=case.trainer.columns,
    )
    before, files, randomness = bench.state(), _contents(bench.folder), _randomness()
    case.trainer.function(work, **_values(case.trainer, case.options))
    return TrainingRun(
        case=case,
        bench=bench,
        output=work.output,
        before=before,
        after=bench.state(),
        files=files,
        randomness=(randomness, _randomness()),
        report=work.report,
    )


def check_a_whole_adapter_is_written(run: TrainingRun) -> None:
    """The result can be read, merged and loaded, and all of its numbers are finite."""
    from xlmerge.checkpoint.cover import cover
    from xlmerge.checkpoint.folder import open_adapter_folder

    trainer = run.case.trainer
    for place in _places(run.output, trainer):
        assert (place / "adapter_config.json").is_file(), f"{trainer.name} writes none to {place}"
        opened = open_adapter_folder(place)
        try:
            covered = cover(opened, run.case.registry)
            assert covered.bundles(), f"{trainer.name}: an empty adapter"
        finally:
            opened.close()
    for name, tensor in _tensors(run).items():
        assert tensor.isfinite().all(), f"{trainer.name}: {name} is not finite"


def check_training_changes_the_adapter(run: TrainingRun) -> None:
    """It is another one than an untrained one of the same seed."""
    import torch

    from xlmerge.runtime.tiny import tiny_model

    live = tiny_model(run.case.registry, attention=run.case.attention)
    live.add_adapter(STEP, run.bench.config(run.case.adapter), seed=0)
    untrained = live.adapter_parameters(STEP)
    trained = _tensors(run)
    same = [name for name, p in untrained.items() if torch.equal(p.data, trained[name])]
    assert len(same) < len(trained), f"{run.case.trainer.name} trains nothing"


def check_nothing_else_changes(run: TrainingRun) -> None:
    """The model is as it was: no tensor changed, nothing new in it; the frozen adapters' files."""
    import torch

    name = run.case.trainer.name
    old, new = run.before["tensors"], run.after["tensors"]
    added = sorted(key for key in set(new) - set(old) if not _is_of(key, run.case.on))
    assert not added, f"{name} leaves {added[0]} in the model"
    lost = sorted(set(old) - set(new))
    assert not lost, f"{name} takes {lost[0]} out of the model"
    changed = [key for key, value in old.items() if not torch.equal(value, new[key])]
    assert not changed, f"{name} changes {changed[0]}, which it does not train"
    for what in ("trainable", "active", "head", "hooks"):
        assert run.after[what] == run.before[what], (
            f"{name}: `{what}` of the model was {run.before[what]}, and is {run.after[what]}"
        )
    assert _contents(run.bench.folder) == run.files, f"{name} writes into folders it reads from"


def check_random_state_is_left_alone(run: TrainingRun) -> None:
    """What others draw afterwards does not depend on the training."""
    before, after = run.randomness
    assert after == before, f"{run.case.trainer.name} changes the global random state"


def check_report_is_plain(run: TrainingRun) -> None:
    """The report can be written as JSON."""
    assert json.loads(json.dumps(run.report)) == run.report, run.case.trainer.name


def check_same_seed_same_numbers(run: TrainingRun, again: TrainingRun) -> None:
    """A second training of one seed gives the same bits."""
    import torch

    first, second = _tensors(run), _tensors(again)
    assert first.keys() == second.keys()
    differ = [name for name, tensor in first.items() if not torch.equal(tensor, second[name])]
    assert not differ, f"{run.case.trainer.name}: one seed, two results: {differ[0]} differs"


def check_another_seed_gives_other_numbers(run: TrainingRun, other: TrainingRun) -> None:
    """The seed matters."""
    import torch

    first, second = _tensors(run), _tensors(other)
    assert any(not torch.equal(tensor, second[name]) for name, tensor in first.items()), (
        f"{run.case.trainer.name}: another seed gives the same numbers"
    )


def _places(output: Path, trainer: Trainer) -> Iterator[Path]:
    """The folders of adapters that a training writes."""
    yield output
    for name in trainer.outputs:
        below = output / name
        assert below.is_dir(), f"{trainer.name} writes no {name}"
        if (below / "adapter_config.json").is_file():
            yield below
        else:
            found = sorted(folder for folder in below.iterdir() if folder.is_dir())
            assert found, f"{trainer.name}: {name} is empty"
            yield from found


def _values(descriptor: Task | Trainer, given: Mapping[str, Any]) -> dict[str, Any]:
    """All values of the parameters: given ones, checked, and defaults."""
    specs = {spec.name: spec for spec in descriptor.parameters}
    unknown = sorted(set(given) - set(specs))
    assert not unknown, f"{descriptor.name} has no option {unknown[0]}; it has {', '.join(specs)}"
    return {
        name: spec.check(given[name]) if name in given else spec.default
        for name, spec in specs.items()
    }


def _tensors(run: TrainingRun) -> dict[str, Any]:
    """The written adapter, loaded into a fresh model."""
    from xlmerge.runtime.tiny import tiny_model

    live = tiny_model(run.case.registry, attention=run.case.attention)
    live.load_adapter(STEP, run.output)
    return {name: p.detach().clone() for name, p in live.adapter_parameters(STEP).items()}


def _is_of(key: str, tree: Tree | None) -> bool:
    """Whether a tensor is of an adapter that lies beneath; those stay loaded."""
    names = () if tree is None else leaves(tree)
    return any(part.startswith(f"{name}-") for part in key.split(".") for name in names)


def _contents(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def _randomness() -> str:
    import numpy as np
    import torch

    states = (random.getstate(), np.random.get_state(), torch.random.get_rng_state().tolist())  # noqa: NPY002
    return repr([str(state) for state in states])
