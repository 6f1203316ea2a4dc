"""AdaMergeX on real triples: sentiment in Indonesian, and emotion in Indonesian and Javanese."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytestmark = [pytest.mark.real, pytest.mark.libraries]
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")
pytest.importorskip("peft")

import xlmerge  # noqa: E402

from .world import World, tensors  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

SCALE = 16 / 8  # alpha / r of all of them


def _triple(kind: str) -> dict[str, str]:
    return {
        "task": f"peft-{kind}-senti-ind",
        "source": f"peft-{kind}-emot-ind",
        "target": f"peft-{kind}-emot-jav",
    }


def _step(name: str, t: float, more: str = "", *, roles: str = "task source target") -> str:
    """A step of a recipe, its roles in the order of the paper."""
    task, source, target = roles.split()
    return f"""
        {name}:
          merge: adamergex
          roles:
            task_in_source: {task}
            reference_in_source: {source}
            reference_in_target: {target}
          with: {{t: {t}{more}}}
    """


def _deltas(folder: Path, scale: float = SCALE) -> dict[str, Any]:
    """``scale * B @ A`` of every matrix."""
    stored = tensors(folder)
    return {
        key.partition(".lora_A")[0]: scale * stored[key.replace("lora_A", "lora_B")] @ tensor
        for key, tensor in stored.items()
        if "lora_A" in key
    }


def _equal(found: dict[str, Any], expected: dict[str, Any], tolerance: float = 1e-6) -> None:
    assert found.keys() == expected.keys()
    for key, tensor in expected.items():
        size = max(float(tensor.abs().max()), 1e-3)
        torch.testing.assert_close(found[key], tensor, rtol=0, atol=tolerance * size)


def _vectors(folder: Path) -> dict[str, Any]:
    return {key: tensor for key, tensor in tensors(folder).items() if "ia3" in key}


def _head(folder: Path) -> dict[str, Any]:
    return {key: tensor for key, tensor in tensors(folder).items() if "classifier" in key}


@pytest.mark.parametrize("kind", ["lora", "ia3"])
def test_the_tasks_head_is_kept_whatever_heads_the_references_have(kind: str, world: World) -> None:
    triple = _triple(kind)
    merged = world.run(_step("out", 0.5), **triple)["out"]
    head = _head(world.adapter(triple["task"]))
    assert len(head) == 4
    _equal(_head(merged), head, 0.0)
    reference = _head(world.adapter(triple["source"]))
    assert any(reference[key].shape != tensor.shape for key, tensor in head.items())
    with torch.no_grad():
        assert world.classifier(merged, 2)(**world.text("jav", 4)).logits.shape == (4, 2)


@pytest.mark.parametrize("kind", ["lora", "ia3"])
def test_no_step_is_the_task_bit_by_bit(kind: str, world: World) -> None:
    triple = _triple(kind)
    merged = world.run(_step("out", 0), **triple)["out"]
    found, expected = tensors(merged), tensors(world.adapter(triple["task"]))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], tensor) for key, tensor in expected.items())


@pytest.mark.parametrize("kind", ["lora", "ia3"])
def test_identical_references_are_refused(kind: str, world: World) -> None:
    """PEFT overwrites an adapter that is loaded under a name that is taken."""
    triple = _triple(kind)
    with pytest.raises(xlmerge.XLMergeError, match="identical"):
        world.run(_step("out", 1), **{**triple, "target": triple["source"]})


def test_lora_deltas_are_those_of_the_formula(world: World) -> None:
    triple = _triple("lora")
    steps = world.run(
        _step("none", 0)
        + _step("half", 0.5)
        + _step("whole", 1)
        + _step("swapped", 0.5, roles="task target source")
        + _step("reached", 1, roles="source source target"),
        **triple,
    )
    task, source, target = (_deltas(world.adapter(name)) for name in triple.values())
    merged = {name: _deltas(folder) for name, folder in steps.items()}
    gap = {key: target[key] - source[key] for key in task}
    for name, t in (("none", 0), ("half", 0.5), ("whole", 1), ("swapped", -0.5)):
        _equal(merged[name], {key: task[key] + t * gap[key] for key in task})
    _equal(merged["reached"], target)  # from the source itself one step leads to the target


def test_lora_logits_are_those_of_the_summed_deltas(world: World) -> None:
    """The merged file in the model, against three deltas added to the base model's weights."""
    triple = _triple("lora")
    merged = world.run(_step("out", 0.5), **triple)["out"]
    batch = world.text("jav")
    deltas = [_deltas(world.adapter(name)) for name in triple.values()]
    model = world.classifier(world.adapter(triple["task"]), 2)
    modules = dict(model.named_modules())
    with torch.no_grad(), model.disable_adapter():
        for key in deltas[0]:
            task, source, target = (delta[key] for delta in deltas)
            modules[key].base_layer.weight += (task + 0.5 * (target - source)).float()
        # `disable_adapter` also takes the trained head away; ours is put in its place.
        head = model.base_model.model.classifier
        head.original_module.load_state_dict(head.modules_to_save["default"].state_dict())
        expected = model(**batch).logits
        found = world.classifier(merged, 2)(**batch).logits
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_lora_at_a_rank_is_the_best_of_that_rank_and_says_what_it_costs(world: World) -> None:
    triple = _triple("lora")
    path = world.run(
        _step("out", 0.5, ", rank: 8") + _step("near", 0.5, ", tolerance: 0.1"), **triple
    )
    exact = _deltas(world.run(_step("exact", 0.5), **triple)["exact"])
    report = _discarded(path["out"])
    cut = _deltas(path["out"])
    for key, delta in exact.items():
        error = float(torch.linalg.norm(cut[key] - delta) / torch.linalg.norm(delta))
        values = torch.linalg.svdvals(delta)
        best = float((values[8:].square().sum() / values.square().sum()).sqrt())
        assert error == pytest.approx(best, abs=1e-5)
        name = next(name for name in report if key.endswith(name))
        assert report[name] == pytest.approx(error, abs=1e-5)
    # Ranks that differ from matrix to matrix stand in the patterns of the configuration.
    with xlmerge.load(path["near"]) as state:
        for name in state:
            key = next(key for key in exact if key.endswith(name))
            error = torch.linalg.norm(torch.tensor(state.dense(name)).double() - exact[key])
            assert float(error / torch.linalg.norm(exact[key])) <= 0.1 + 1e-5
        assert len({point.rank for point in state.values()}) > 1
    assert world.classifier(path["near"], 2) is not None  # and PEFT loads them


def _discarded(folder: Path) -> dict[str, float]:
    """The discarded share of each parameter, as recorded beside the result."""
    import json

    record = json.loads((folder / "xlmerge.json").read_text())
    discarded: dict[str, float] = record["report"]["by_parameter"]["discarded"]
    return discarded


def test_factors_one_by_one_have_cross_terms(world: World) -> None:
    """The published code: quadratic in t, its second difference twice the product of the gaps."""
    triple = _triple("lora")
    factors = ", elements: factors"
    steps = world.run(
        _step("a", 0, factors) + _step("b", 0.5, factors) + _step("c", 1, factors), **triple
    )
    a, b, c = (_deltas(steps[name]) for name in "abc")
    source, target = (tensors(world.adapter(triple[name])) for name in ("source", "target"))
    for key in a:
        gaps = [
            target[f"{key}.lora_{factor}.weight"] - source[f"{key}.lora_{factor}.weight"]
            for factor in "BA"
        ]
        expected = 2 * SCALE * gaps[0] @ gaps[1]
        found = (a[key] - 2 * b[key] + c[key]) / 0.5**2
        size = float(a[key].abs().max())
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * size)


def test_scaling_vectors_are_multiplied_by_the_ratio(world: World) -> None:
    triple = _triple("ia3")
    steps = world.run(
        _step("half", 0.5) + _step("reached", 1, roles="source source target"), **triple
    )
    task, source, target = (_vectors(world.adapter(name)) for name in triple.values())
    expected = {}
    for key, rs in source.items():
        ridge = (1e-3 * float(rs.abs().quantile(0.5))) ** 2
        ratio = (target[key] * rs + ridge) / (rs * rs + ridge)
        expected[key] = task[key] * (1 + 0.5 * (ratio - 1))
    _equal(_vectors(steps["half"]), expected)
    _equal(_vectors(steps["reached"]), target, 1e-4)  # up to what the ridge holds back


def test_scaling_vectors_commute_with_folding_them_into_weights(world: World) -> None:
    """``l * (W x) = (diag(l) W) x``: merging the vectors or the scaled weights is the same."""
    triple = _triple("ia3")
    merged = world.run(_step("out", 0.5), **triple)["out"]
    batch = world.text("jav")
    model = world.classifier(world.adapter(triple["task"]), 2)
    modules = dict(model.named_modules())
    with torch.no_grad():
        expected = world.classifier(merged, 2)(**batch).logits
        for key, vector in _vectors(merged).items():
            layer = modules[key.removesuffix(".ia3_l")]
            layer.base_layer.weight *= vector.float()
            layer.base_layer.bias *= vector.float().flatten()
        head = model.base_model.model.classifier
        head.original_module.load_state_dict(head.modules_to_save["default"].state_dict())
        with model.disable_adapter():
            found = model(**batch).logits
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["lora", "ia3"])
def test_inputs_are_left_as_they_were(kind: str, world: World) -> None:
    triple = _triple(kind)
    files = [world.adapter(name) / "adapter_model.safetensors" for name in triple.values()]
    before = [file.read_bytes() for file in files]
    world.run(_step("out", 0.5), **triple)
    assert [file.read_bytes() for file in files] == before


def test_bottlenecks_take_the_plain_difference(world: World) -> None:
    """Not in the paper: Indonesian plus the gap from Javanese to Madurese."""
    steps = world.run(
        _step("out", 0.5), task="language-ind", source="language-jav", target="language-mad"
    )
    task, source, target = (
        tensors(world.adapter(f"language-{name}")) for name in ("ind", "jav", "mad")
    )
    expected = {key: task[key] + 0.5 * (target[key] - source[key]) for key in task}
    _equal(tensors(steps["out"]), expected)
