"""What is trained is what was asked for, and what goes wrong is said."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.errors import DataError, ParameterError, TrainingError

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")

from builders import tiny_training as tiny  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

SHORT: dict[str, Any] = {"steps": 6, "batch_size": 8, "learning_rate": 1e-2}


def _work(base: Path, folder: Path, kind: str = "task", **more: Any) -> Any:
    return tiny.make_training(base, folder, kind, **more)


def test_nothing_but_the_adapter_and_its_head_changes(base: Path, tmp_path: Path) -> None:
    work = _work(base, tmp_path)
    before = {name: p.detach().clone() for name, p in work.live.model.named_parameters()}
    report = tiny.run(work, "task", **SHORT)
    after = dict(work.live.model.named_parameters())
    assert after.keys() == before.keys()
    assert all(torch.equal(before[name], p) for name, p in after.items())
    assert not any(p.requires_grad for p in after.values())
    assert report["trained_parameters"] == sum(t.numel() for t in tiny.weights(tmp_path).values())


def test_the_frozen_adapter_beneath_is_as_it_was(base: Path, tmp_path: Path) -> None:
    from xlmerge.plugin.trees import parse_tree

    tiny.run(_work(base, tmp_path / "language", "language"), "language", **SHORT)
    language = tiny.weights(tmp_path / "language")
    folders = {"mother": tmp_path / "language" / "out"}
    work = _work(base, tmp_path / "task", on=parse_tree("mother"), folders=folders)
    report = tiny.run(work, "task", **SHORT)
    assert report["composition"] == "stack(mother, fresh)"
    [beneath] = work.live.adapters()
    held = work.live.adapter_parameters(beneath)
    assert len(held) == len(language) == 4 * work.live.layers + 8
    for name, parameter in held.items():
        end = name.split(beneath)[-1]
        [same] = [
            t
            for key, t in language.items()
            if key.endswith("fresh" + end)
            and (key.split("fresh")[0].split(".")[-5:] == name.split(beneath)[0].split(".")[-5:])
        ]
        assert torch.equal(parameter, same), name


@pytest.mark.parametrize(
    ("config", "fields"),
    [
        ("lora", {"r": 2}),
        ("ia3", {}),
        ("prefix_tuning", {"prefix_length": 2, "bottleneck_size": 4}),
        ("par_bn", {}),
        ("double_seq_bn", {"reduction_factor": 4}),
    ],
)
def test_other_kinds_are_trained_as_task_adapters(
    config: str, fields: dict[str, Any], base: Path, tmp_path: Path
) -> None:
    work = _work(base, tmp_path, adapter=tiny.named_config(config, **fields))
    tiny.run(work, "task", **SHORT)
    assert tiny.weights(tmp_path)


def test_a_parameter_without_gradient_is_told(base: Path, tmp_path: Path) -> None:
    from xlmerge.runtime.training import FitOptions, fit, staged

    work = _work(base, tmp_path)
    work.live.add_adapter("idle", work.adapter, seed=3)
    with staged(work) as stage, pytest.raises(TrainingError, match="got no gradient"):
        idle = work.live.adapter_parameters("idle")
        fit(work, {**stage.adapter, **idle}, FitOptions(**SHORT), runs=stage.runs)


def test_a_change_of_what_is_frozen_is_told(base: Path, tmp_path: Path) -> None:
    from xlmerge.runtime.training import FitOptions, fit, staged

    work = _work(base, tmp_path)
    embeddings = work.live.model.get_input_embeddings().weight

    def meddle(*_: object) -> None:
        with torch.no_grad():
            embeddings[0, 0] += 1

    work.progress = meddle
    with staged(work) as stage, pytest.raises(TrainingError, match="changed what is frozen"):
        fit(work, {**stage.adapter, **stage.head}, FitOptions(**SHORT), runs=stage.runs)


def test_a_training_that_moves_nothing_is_told(base: Path, tmp_path: Path) -> None:
    work = _work(base, tmp_path, validation=False)
    with pytest.raises(TrainingError, match="as they were before training"):
        tiny.run(work, "task", **{**SHORT, "learning_rate": 1e-30})


def test_a_loss_that_is_not_finite_names_its_step(base: Path, tmp_path: Path) -> None:
    from xlmerge.runtime.training import FitOptions, fit, staged

    work = _work(base, tmp_path)
    calls = 0
    with staged(work) as stage:

        def loss(batch: Any) -> tuple[Any, int]:
            nonlocal calls
            calls += 1
            total, items = work.task.loss(stage.run(batch), batch)
            return total * (math.nan if calls == 4 else 1), items

        trained = {**stage.adapter, **stage.head}
        options = FitOptions(**SHORT, log_every=6)
        with pytest.raises(TrainingError, match=r"nan at step 4 of 6[\s\S]*learning_rate"):
            fit(work, trained, options, runs=stage.runs, loss=loss)


def test_parameters_in_half_precision_are_refused(base: Path, tmp_path: Path) -> None:
    work = _work(base, tmp_path)
    work.live.model.to(torch.bfloat16)
    with pytest.raises(TrainingError, match="bfloat16"):
        tiny.run(work, "task", **SHORT)


@pytest.mark.parametrize("given", [{"steps": 3, "epochs": 2}])
def test_steps_and_epochs_exclude_each_other(
    given: dict[str, int], base: Path, tmp_path: Path
) -> None:
    with pytest.raises(ParameterError, match="found both"):
        tiny.run(_work(base, tmp_path), "task", **given)


def test_scores_without_validation_data_are_warned_of(base: Path, tmp_path: Path) -> None:
    work = _work(base, tmp_path, validation=False)
    with pytest.warns(UserWarning, match="`evaluate_every` does nothing"):
        tiny.run(work, "task", **SHORT, evaluate_every=2)


def test_a_batch_smaller_than_its_parts_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="batch_size is 2"):
        tiny.run(_work(base, tmp_path), "task", steps=2, batch_size=2, gradient_accumulation=3)


def test_weights_for_some_data_sets_only_are_refused(base: Path, tmp_path: Path) -> None:
    data = {"train": [(tiny.labelled(20, 1), 1.0), (tiny.labelled(20, 2), None)]}
    with pytest.raises(ParameterError, match="1 of 2 data sets"):
        tiny.run(_work(base, tmp_path, data=data), "task", **SHORT)


def test_data_without_rows_is_refused(base: Path, tmp_path: Path) -> None:
    data = {"train": tiny.labelled(5, 1).select([])}
    with pytest.raises(DataError, match="`train` has no rows"):
        tiny.run(_work(base, tmp_path, data=data, labels=["early", "late"]), "task", **SHORT)


@pytest.mark.parametrize("kind", ["language", "task"])
def test_layers_computed_again_give_the_same(
    kind: str, base_without_dropout: Path, tmp_path: Path
) -> None:
    found = []
    for again in (False, True):
        work = tiny.make_training(base_without_dropout, tmp_path / str(again), kind)
        hooks = len(work.live.model.get_input_embeddings()._forward_hooks)
        tiny.run(work, kind, **SHORT, gradient_checkpointing=again)
        assert len(work.live.model.get_input_embeddings()._forward_hooks) == hooks
        found.append(tiny.weights(tmp_path / str(again)))
    for name, tensor in found[0].items():
        torch.testing.assert_close(found[1][name], tensor, rtol=0, atol=1e-6)


def test_bfloat16_comes_near_and_keeps_float32_weights(
    base_without_dropout: Path, tmp_path: Path
) -> None:
    losses = []
    for half in (False, True):
        work = tiny.make_training(base_without_dropout, tmp_path / str(half), "language")
        losses.append(tiny.run(work, "language", **SHORT, bf16=half)["loss_end"])
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    assert losses[0] != losses[1]
    assert all(t.dtype == torch.float32 for t in tiny.weights(tmp_path / "True").values())


def test_the_surroundings_are_left_alone(
    base: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import os
    import random

    import numpy as np

    monkeypatch.chdir(tmp_path)
    work = _work(base, tmp_path / "here")
    arrays = np.random.get_state()[1].tolist()  # noqa: NPY002 - the global state is meant
    before = random.getstate(), arrays, torch.get_rng_state()
    variables = dict(os.environ)
    tiny.run(work, "task", **SHORT, gradient_checkpointing=True, bf16=True)
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[2])
    assert dict(os.environ) == variables
    assert work.live.adapters() == ()
    assert not work.live.model.is_gradient_checkpointing
    assert not work.live.model.training
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
    assert [path.name for path in tmp_path.iterdir()] == ["here"]
