"""Merging in PEFT 0.21.2 where it goes wrong, and beside it the merge that xlmerge writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")

from . import tiny, tiny_peft  # noqa: E402
from .defects import known_defect  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("one", "two")


def _lora(**more: Any) -> Any:
    return peft.LoraConfig(
        **{"r": 4, "lora_alpha": 8, "target_modules": ["query", "value"], **more}
    )


def _model(folder: Path, *configs: Any) -> Any:
    """A model with the adapters `one` and `two`, saved."""
    model = tiny_peft.adapted("xlmr", configs[0], seed=1, name=NAMES[0])
    for seed, (name, config) in enumerate(zip(NAMES[1:], configs[1:], strict=False), start=2):
        tiny_peft.add(model, name, config, seed=seed)
    model.save_pretrained(str(folder))
    return model


def _deltas(model: Any, name: str) -> dict[str, Any]:
    return {
        path: module.get_delta_weight(name).detach()
        for path, module in model.named_modules()
        if hasattr(module, "get_delta_weight")
    }


def _ours(folder: Path, weights: list[float]) -> Any:
    folders = [folder / name for name in NAMES[: len(weights)]]
    return tiny_peft.load("xlmr", tiny.merge("linear", folders, weights, folder / "ours"))


def _equal(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for path, delta in expected.items():
        torch.testing.assert_close(found[path], delta, rtol=1e-5, atol=1e-5)


def test_linear_has_no_cross_terms(tmp_path: Path) -> None:
    """`linear` puts the root of each weight on A and on B: (a A + b A') (a B + b B')."""
    model = _model(tmp_path, _lora(), _lora())
    one, two = (_deltas(model, name) for name in NAMES)
    expected = {path: 0.7 * one[path] + 0.3 * two[path] for path in one}
    _equal(_deltas(_ours(tmp_path, [0.7, 0.3]), "default"), expected)
    model.add_weighted_adapter(list(NAMES), [0.7, 0.3], "theirs", combination_type="linear")
    with known_defect("add_weighted_adapter linear sums deltas (PEFT 0.21.2)"):
        _equal(_deltas(model, "theirs"), expected)
    # The exact one of its combinations:
    model.add_weighted_adapter(list(NAMES), [0.7, 0.3], "cat", combination_type="cat")
    _equal(_deltas(model, "cat"), expected)


@pytest.mark.parametrize("combination", ["linear", "cat", "svd"])
def test_rank_stabilised_scales(combination: str, tmp_path: Path) -> None:
    """One adapter at weight 1: alpha becomes the rank, and the scale its root (PEFT issue 3761)."""
    model = _model(tmp_path, _lora(use_rslora=True))
    expected = _deltas(model, "one")
    _equal(_deltas(_ours(tmp_path, [1.0]), "default"), expected)
    model.add_weighted_adapter(["one"], [1.0], "theirs", combination_type=combination)
    with known_defect(f"add_weighted_adapter {combination} with rsLoRA (PEFT 0.21.2)"):
        _equal(_deltas(model, "theirs"), expected)


def test_a_head_that_one_adapter_has(tmp_path: Path) -> None:
    """The merged adapter gets the untrained head of the base model."""
    model = _model(tmp_path, _lora(modules_to_save=["classifier"]), _lora())
    head = {
        key: tensor
        for key, tensor in peft.get_peft_model_state_dict(model, adapter_name="one").items()
        if "classifier" in key
    }
    ours = peft.get_peft_model_state_dict(_ours(tmp_path, [0.5, 0.5]))
    assert len(head) == 4
    assert all(torch.equal(ours[key], tensor) for key, tensor in head.items())
    model.add_weighted_adapter(list(NAMES), [0.5, 0.5], "theirs", combination_type="cat")
    with known_defect(
        "add_weighted_adapter keeps modules_to_save (PEFT 0.21.2)", AssertionError, KeyError
    ):
        theirs = peft.get_peft_model_state_dict(model, adapter_name="theirs")
        assert all(torch.equal(theirs[key], tensor) for key, tensor in head.items())


def test_scaling_vectors_around_one(tmp_path: Path) -> None:
    """Weights 0.5 and -0.5 on one vector: nothing changes, and the vector is 1; PEFT's is 0."""

    def config() -> Any:
        return peft.IA3Config(target_modules=["key", "value"], feedforward_modules=[])

    for name in NAMES:  # each from a model of its own: PEFT 0.17 saves (IA)³ of all names at once
        tiny_peft.adapted("xlmr", config(), seed=1).save_pretrained(str(tmp_path / name))
    ours = peft.get_peft_model_state_dict(_ours(tmp_path, [0.5, -0.5]))
    assert all(torch.equal(tensor, torch.ones_like(tensor)) for tensor in ours.values())
    model = tiny_peft.adapted("xlmr", config(), seed=1, name="one")
    tiny_peft.add(model, "two", config(), seed=1)
    model.add_weighted_adapter(list(NAMES), [0.5, -0.5], "theirs")
    theirs = peft.get_peft_model_state_dict(model, adapter_name="theirs")
    with known_defect("add_weighted_adapter sums (IA)³ around one (PEFT 0.21.2)"):
        assert all(torch.equal(tensor, torch.ones_like(tensor)) for tensor in theirs.values())


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    """PEFT returns without a word, the old adapter in place."""
    import xlmerge

    model = _model(tmp_path, _lora(), _lora())
    with pytest.raises(xlmerge.XLMergeError, match="was not made by xlmerge"):
        tiny.merge("linear", [tmp_path / "one"], [1.0], tmp_path / "two")
    expected = _deltas(model, "one")
    model.add_weighted_adapter(["one"], [1.0], "two", combination_type="cat")
    with known_defect("add_weighted_adapter merges under a name that is taken (PEFT 0.21.2)"):
        _equal(_deltas(model, "two"), expected)


def test_rank_patterns_survive(tmp_path: Path) -> None:
    """What PEFT saves of such a merge it cannot load."""
    model = _model(tmp_path, _lora(rank_pattern={"query": 2}), _lora(rank_pattern={"query": 2}))
    one, two = (_deltas(model, name) for name in NAMES)
    expected = {path: 0.5 * one[path] + 0.5 * two[path] for path in one}
    _equal(_deltas(_ours(tmp_path, [0.5, 0.5]), "default"), expected)
    config = json.loads((tmp_path / "ours" / "adapter_config.json").read_text())
    assert sorted({config["r"], *config["rank_pattern"].values()}) == [4, 8]
    model.add_weighted_adapter(list(NAMES), [0.5, 0.5], "theirs", combination_type="linear")
    model.save_pretrained(str(tmp_path), selected_adapters=["theirs"])
    with known_defect("rank patterns in add_weighted_adapter (PEFT 0.21.2)", RuntimeError):
        tiny_peft.load("xlmr", tmp_path / "theirs")
