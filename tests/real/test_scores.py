"""What merged adapters score on real test sets, against the figures recorded with the adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytestmark = [pytest.mark.real, pytest.mark.libraries]
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")
pytest.importorskip("peft")

from .world import NUSAX_LABELS, World, load  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path


def _accuracy(world: World, adapter: Path, table: str, labels: list[str]) -> float:
    model = world.classifier(adapter, len(labels))
    hits, total = 0, 0
    for batch, expected in world.batches(world.rows(table)[:600]):
        with torch.no_grad():
            found = model(**batch).logits.argmax(-1).tolist()
        hits += sum(labels[index] == label for index, label in zip(found, expected, strict=True))
        total += len(expected)
    assert total == 600
    return 100 * hits / total


@pytest.mark.parametrize(("kind", "recorded"), [("lora", 80.5), ("ia3", 76.5)])
def test_an_identity_merge_scores_what_the_adapter_scored(
    kind: str, recorded: float, world: World
) -> None:
    """Head and all: accuracy on the first 600 test rows of Indonesian sentiment."""
    merged = world.run(
        "  same: {merge: linear, adapters: {task: 1.0}}", task=f"peft-{kind}-senti-ind"
    )["same"]
    table = "nusatrans_senti/ind/test.csv"
    accuracy = _accuracy(world, merged, table, ["negative", "positive"])
    assert accuracy == pytest.approx(recorded, abs=0.5)


def _macro_f1(world: World, language: Path, seed: int, table: str) -> float:
    """A language adapter below a task adapter, and the task's linear head on the mean token."""
    from adapters.composition import Stack
    from safetensors.torch import load_file

    task = world.adapter(f"task-sentiment-ind-seed{seed}")
    model = world.encoder()
    stack = Stack(load(model, language, "language"), load(model, task, "task"))
    model.set_active_adapters(stack)
    head = load_file(task / "linear_head.safetensors")
    found: list[int] = []
    expected: list[int] = []
    for batch, labels in world.batches(world.rows(table)):
        with torch.no_grad():
            tokens = model(**batch).last_hidden_state
        kept = batch["attention_mask"].unsqueeze(-1)
        mean = (tokens * kept).sum(1) / kept.sum(1)
        found += (mean @ head["weight"].T + head["bias"]).argmax(-1).tolist()
        expected += [NUSAX_LABELS.index(label) for label in labels]
    return _f1(torch.tensor(found), torch.tensor(expected))


def _f1(found: Any, expected: Any) -> float:
    scores = []
    for label in range(len(NUSAX_LABELS)):
        hits = int(((found == label) & (expected == label)).sum())
        scores.append(2 * hits / int((found == label).sum() + (expected == label).sum()))
    return 100 * sum(scores) / len(scores)


def test_half_source_half_target_under_the_task_adapter(world: World) -> None:
    """Madurese, which the model never saw: the `.5` column of the record, three seeds."""
    merged = world.run(
        "  half: {merge: language_arithmetic, adapters: {source: 0.5, target: 0.5}}",
        source="language-ind",
        target="language-mad",
    )["half"]
    table = "nusax_senti/mad/test.csv"
    scores = [_macro_f1(world, merged, seed, table) for seed in range(3)]
    assert sum(scores) / 3 == pytest.approx(52.4, abs=0.5)
