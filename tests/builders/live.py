"""Trainings and evaluations without a model: fake trainers, and a fake runtime that obeys them.

    registry = live_registry()
    runtime = FakeRuntime(); runtime.install(monkeypatch)

The trainer ``fake`` writes an adapter of the configuration that it was given; the task ``guess`` is
scored by numbers that no model gave.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import types
from collections.abc import Sequence  # noqa: TC003 - declarations are read at run time
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest

import xlmerge
from builders.folders import make
from builders.layouts import HIDDEN, LAYERS, MODELS
from builders.running import Recorder, registry
from xlmerge.errors import RecipeError
from xlmerge.plugin import AtLeast, Count, Registered, Weights
from xlmerge.plugin.composition import Child, composition_rule
from xlmerge.plugin.registry import Catalogue
from xlmerge.plugin.tasks import task
from xlmerge.plugin.trainers import trainer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xlmerge.plan.orders import EvaluateOrder, TrainOrder
    from xlmerge.plugin import Registry

__all__ = [
    "FakeRuntime",
    "live_problems",
    "live_registry",
    "live_run",
    "make_base",
    "make_data",
    "write_live_recipe",
]

SOURCE = "nobody"


@trainer(
    summary="Pretends to train.",
    source=SOURCE,
    data={"train": "what it looks at", "validation": "what it looks at, too"},
    optional_data=("validation",),
    task="any",
    adapter="seq_bn",
    stacked=True,
)
def fake(
    work: Any,
    *,
    steps: Annotated[int, AtLeast(1), "how many"] = 10,
    schedule: Literal["linear", "constant"] = "linear",
) -> None:
    raise AssertionError("the fake runtime does it")


@trainer(
    summary="Pretends to read.",
    source=SOURCE,
    data={"train": "texts"},
    many=("train",),
    task="reading",
    adapter="seq_bn_inv",
)
def reader(work: Any, *, rate: Annotated[float, AtLeast(0, open=True)]) -> None:
    raise AssertionError("the fake runtime does it")


@trainer(
    summary="Pretends to train on each of several.",
    source=SOURCE,
    data={"train": "texts"},
    many=("train",),
    adapter="seq_bn",
    stacked=True,
    stacked_each="train",
)
def each(work: Any) -> None:
    raise AssertionError("the fake runtime does it")


@task(
    columns={"text": "the text", "label": "its class"},
    labels="label",
    metric="accuracy",
    summary="A guess.",
    source=SOURCE,
)
def guess(*, max_length: Annotated[int, AtLeast(2)] = 16) -> Any:
    raise AssertionError("the fake runtime does it")


@task(columns={"text": "the text"}, metric="loss", summary="No classes.", source=SOURCE)
def reading() -> Any:
    raise AssertionError("the fake runtime does it")


@composition_rule(kind="inside", summary="One after the other.", source=SOURCE)
def stack(live: Any, *, children: Annotated[Sequence[Child], Count(2)]) -> Any:
    raise AssertionError("the fake runtime does it")


@composition_rule(kind="inside", summary="With weights.", source=SOURCE)
def mix(
    live: Any,
    *,
    children: Sequence[Child],
    weights: Weights,
    mode: Literal["fast", "exact"] = "exact",
) -> Any:
    raise AssertionError("the fake runtime does it")


@composition_rule(kind="inside", summary="By role.", source=SOURCE)
def split(live: Any, *, first: Annotated[Child, "the first half"], second: Child = None) -> Any:
    raise AssertionError("the fake runtime does it")


@composition_rule(kind="around", summary="Mean of outputs.", source=SOURCE)
def vote(*, children: Sequence[Child], weights: Weights | None = None) -> Any:
    raise AssertionError("the fake runtime does it")


def live_registry(version: str = "1", **more: Any) -> Registry:
    """The installed architectures and merge methods with these trainers, tasks and rules.

    Args:
        version: Of the plugin that provides them.
        **more: Further fields of the registry.
    """

    def by(*made: Any) -> list[Registered[Any]]:
        return [
            Registered(descriptor=each, plugin="fake", distribution="fakes", version=version)
            for each in made
        ]

    return dataclasses.replace(
        registry(),
        trainers=Catalogue("trainer", by(fake, reader, each)),
        tasks=Catalogue("task", by(guess, reading)),
        composition_rules=Catalogue("composition rule", by(stack, mix, split, vote)),
        **more,
    )


def make_base(folder: Path, **config: Any) -> Path:
    """A base model without weights that matter."""
    folder.mkdir(parents=True)
    content = {
        "model_type": MODELS["xlmr"].type,
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        **config,
    }
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def make_data(folder: Path, splits: Sequence[str] = ("train", "validation", "test")) -> Path:
    """Data, a file for each split."""
    folder.mkdir(parents=True)
    for name in splits:
        (folder / f"{name}.csv").write_text(f"text,label\n{name},a\n", encoding="utf-8")
    return folder


def write_live_recipe(folder: Path, steps: dict[str, Any], **more: Any) -> Path:
    """``recipe.yaml`` with a base model, data sets and two adapters ``one`` and ``two``."""
    if not (folder / "base").is_dir():
        make_base(folder / "base")
        make_data(folder / "data")
        for seed, name in enumerate(("one", "two")):
            make(folder / name, "seq_bn", seed=seed, base_model="./base", labels=2 * seed)
    content: dict[str, Any] = {
        "version": 1,
        "base_model": "./base",
        "adapters": {"one": "./one", "two": "./two"},
        "datasets": {"data": "./data"},
        **more,
        "steps": steps,
    }
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


class FakeRuntime:
    """Obeys orders, and remembers them.

    Attributes:
        trained: Orders of trainings.
        evaluated: Orders of evaluations.
        before: Called with each order before anything is written; may raise.
    """

    def __init__(self) -> None:
        self.trained: list[TrainOrder] = []
        self.evaluated: list[EvaluateOrder] = []
        self.before: Callable[[Any], None] = lambda order: None

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        module: Any = types.ModuleType("xlmerge.runtime.steps")
        module.train, module.evaluate = self.train, self.evaluate
        monkeypatch.setitem(sys.modules, "xlmerge.runtime.steps", module)

    def train(self, order: TrainOrder) -> dict[str, Any]:
        self.trained.append(order)
        self.before(order)
        order.progress(1, 2, "loss 0.5")
        (order.scratch / "checkpoint").write_text("half", encoding="utf-8")
        kind = "seq_bn_inv" if (order.adapter or {}).get("inv_adapter") else "seq_bn"
        made = order.scratch / "made"
        make(
            made,
            kind,
            seed=order.seed + 5,
            base_model=order.base_model,
            name=order.adapter_name,
            labels=0 if order.task is None else 2,
        )
        shutil.copytree(made, order.output, dirs_exist_ok=True)
        order.progress(2, 2, "loss 0.25")
        return {
            "summary": "loss 0.25 after 2 steps",
            "loss": 0.25,
            "device": "cpu",
            "versions": {"torch": "0"},
        }

    def evaluate(self, order: EvaluateOrder) -> dict[str, Any]:
        self.evaluated.append(order)
        scores = {}
        for done, cell in enumerate(order.cells):
            self.before(cell)
            kept = order.scratch / f"{cell.key}.json"
            if not kept.is_file():
                kept.write_text("1.0", encoding="utf-8")
            scores[f"{cell.row}/{cell.column}/{cell.seed}"] = float(kept.read_text("utf-8"))
            order.progress(done + 1, len(order.cells), cell.row)
        (order.output / "table.json").write_text(json.dumps(scores), encoding="utf-8")
        (order.output / "predictions").mkdir()
        (order.output / "predictions" / "all.jsonl").write_text("1\n", encoding="utf-8")
        return {"summary": "scored", "table_text": "row  score\none  1.0", "table": scores}


def live_problems(recipe: Path, **options: Any) -> list[str]:
    """What is wrong with a recipe that must not run, with these trainers, tasks and rules."""
    options.setdefault("registry", live_registry())
    with pytest.raises(RecipeError) as caught:
        xlmerge.check(recipe, **options)
    return [str(problem) for problem in caught.value.problems]


def live_run(recipe: Path, **options: Any) -> Recorder:
    """``xlmerge.run`` with these trainers, tasks and rules; gives what was heard."""
    heard = Recorder()
    options.setdefault("registry", live_registry())
    xlmerge.run(recipe, listener=heard, **options)
    return heard
