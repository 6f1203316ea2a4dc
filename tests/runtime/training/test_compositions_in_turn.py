"""Data sets that each have a composition of their own beneath the new adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from builders import tiny_training as tiny
from xlmerge.errors import ParameterError
from xlmerge.plugin.trees import Leaf

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch")
pytest.importorskip("adapters")
pytestmark = pytest.mark.libraries

OPTIONS: dict[str, Any] = {"steps": 4, "batch_size": 8, "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def languages(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two language adapters that differ."""
    from xlmerge.runtime import LiveModel

    live = LiveModel.load(str(base), registry=tiny.registry())
    root = tmp_path_factory.mktemp("languages")
    for seed, name in enumerate(("aa", "bb")):
        live.add_adapter(name, tiny.named_config("madx_language", init_weights="bert"), seed=seed)
        with torch.no_grad():
            for parameter in live.adapter_parameters(name).values():
                parameter.mul_(20)
        live.save_adapter(name, root / name)
    return {name: root / name for name in ("aa", "bb")}


def trained(base: Path, folder: Path, languages: dict[str, Path], **more: Any) -> dict[str, Any]:
    sources = [(tiny.labelled(40, 1), None), (tiny.labelled(40, 2), None)]
    data = {"train": sources, "validation": [(tiny.labelled(20, 3), None)] * 2}
    work = tiny.make_training(base, folder, "task", data=data, folders=languages, **more)
    tiny.run(work, "task", **OPTIONS)
    return tiny.weights(folder)


def largest_difference(one: dict[str, Any], two: dict[str, Any]) -> float:
    assert one.keys() == two.keys()
    return max(float((one[key] - two[key]).abs().max()) for key in one)


def test_one_composition_twice_is_one_composition(
    base: Path, tmp_path: Path, languages: dict[str, Path]
) -> None:
    """Without dropout: the masks are drawn for batches, and those are cut otherwise."""
    from transformers import AutoModelForMaskedLM

    still = tmp_path / "still"
    tiny.save_base(still, dropout=0.0)
    assert AutoModelForMaskedLM.from_pretrained(still).config.hidden_dropout_prob == 0
    one = trained(still, tmp_path / "one", languages, on=Leaf("aa"))
    each = trained(still, tmp_path / "each", languages, on_each=(Leaf("aa"), Leaf("aa")))
    assert largest_difference(one, each) < 1e-5


def test_each_data_set_runs_on_its_own(
    base: Path, tmp_path: Path, languages: dict[str, Path]
) -> None:
    found = {
        pair: trained(
            base, tmp_path / "".join(pair), languages, on_each=tuple(Leaf(name) for name in pair)
        )
        for pair in (("aa", "bb"), ("bb", "aa"), ("aa", "aa"))
    }
    weights = list(found.values())
    assert largest_difference(weights[0], weights[1]) > 1e-4
    assert largest_difference(weights[0], weights[2]) > 1e-4


def test_the_parts_of_a_batch_add_up_to_the_loss_by_hand(
    base: Path, tmp_path: Path, languages: dict[str, Path]
) -> None:
    from xlmerge.runtime.training import FitOptions, staged
    from xlmerge.runtime.training.batches import encoded, loader
    from xlmerge.runtime.training.objective import Objective

    sources = [(tiny.labelled(40, 1), None), (tiny.labelled(40, 2), None)]
    trees = (Leaf("aa"), Leaf("bb"))
    work = tiny.make_training(
        base, tmp_path, "task", data={"train": sources}, folders=languages, on_each=trees
    )
    live, task = work.live, work.task
    with staged(work) as stage:
        objective = Objective(
            live.model,
            stage.adapter.values(),
            lambda batch, source: task.loss(stage.runs[source](batch), batch),
            bf16=False,
        )
        parts = next(iter(loader(encoded(work, "train"), work, FitOptions(**OPTIONS), 4)))
        total, items = objective(parts)
        by_hand = 0.0
        for source, batch in parts:
            for at in range(len(batch["labels"])):
                one = {key: value[at : at + 1] for key, value in batch.items()}
                by_hand += float(task.loss(stage.runs[source](one), one)[0])
    assert {source for source, _ in parts} == {0, 1}
    assert int(items) == OPTIONS["batch_size"]
    assert float(total) == pytest.approx(by_hand, rel=1e-5)


def test_counts_that_do_not_match_are_refused(
    base: Path, tmp_path: Path, languages: dict[str, Path]
) -> None:
    trees = (Leaf("aa"), Leaf("bb"))
    with pytest.raises(ParameterError, match="2 compositions, and 1 data sets"):
        work = tiny.make_training(base, tmp_path, "task", folders=languages, on_each=trees)
        tiny.run(work, "task", **OPTIONS)


def test_layers_cannot_be_computed_again_in_turn(
    base: Path, tmp_path: Path, languages: dict[str, Path]
) -> None:
    sources = [(tiny.labelled(40, 1), None), (tiny.labelled(40, 2), None)]
    trees = (Leaf("aa"), Leaf("bb"))
    work = tiny.make_training(
        base, tmp_path, "task", data={"train": sources}, folders=languages, on_each=trees
    )
    with pytest.raises(ParameterError, match="gradient_checkpointing"):
        tiny.run(work, "task", **OPTIONS, gradient_checkpointing=True)
