"""Kinds of adapters that the library does not know live in one model like its own."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.errors import CheckpointError, ModelError

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")

from builders import tiny_training as tiny  # noqa: E402
from xlmerge.runtime.own_kinds import add_kind, parameters_of  # noqa: E402
from xlmerge.runtime.tiny import tiny_model  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = tiny.named_config("rtn", layers=[1, -1])


@pytest.fixture
def live() -> Any:
    return tiny_model(tiny.registry())


def _tensors(live: Any, name: str) -> list[Any]:
    return [p.detach().clone() for p in live.adapter_parameters(name).values()]


def test_one_is_added_by_its_seed_and_taken_out(live: Any) -> None:
    before = set(live.model.state_dict())
    state = torch.get_rng_state()
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        live.add_adapter(name, CONFIG, seed=seed)
    assert torch.equal(torch.get_rng_state(), state)
    a, b, c = (_tensors(live, name) for name in "abc")
    assert len(a) == 2 * 4
    assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    assert not torch.equal(a[0], c[0])
    assert sorted(parameters_of(live.model, "a")) == ["1", "3"]
    for name in "abc":
        live.delete_adapter(name)
    assert set(live.model.state_dict()) == before
    with pytest.raises(ModelError, match="no adapter 'a' of a kind of its own"):
        parameters_of(live.model, "a")


def test_it_is_saved_with_all_fields_and_loaded_under_another_name(
    live: Any, tmp_path: Path
) -> None:
    live.add_adapter("a", {**CONFIG, "init": "paper"}, seed=1)
    live.save_adapter("a", tmp_path / "saved")
    other = tiny_model(tiny.registry())
    other.load_adapter("b", tmp_path / "saved")
    assert other.adapter_config("b") == live.adapter_config("a")
    assert other.adapter_config("b")["init"] == "paper"
    pairs = zip(_tensors(live, "a"), _tensors(other, "b"), strict=True)
    assert all(torch.equal(x, y) for x, y in pairs)


def test_the_library_adds_its_own_kinds_as_before(live: Any) -> None:
    live.add_adapter("a", CONFIG, seed=1)
    live.add_adapter("b", tiny.named_config("seq_bn"), seed=1)
    live.model.add_adapter("c", "lora")
    assert set(live.adapters()) == {"a", "b", "c"}
    with live.activated("b"):
        assert live.model.active_adapters is not None


def test_a_copy_of_the_model_adds_to_itself(live: Any) -> None:
    copied = copy.deepcopy(live.model)
    copied.add_adapter("a", CONFIG)
    assert "a" in copied.adapters_config
    assert "a" not in live.model.adapters_config


def test_other_models_know_nothing_of_it(tmp_path: Path, live: Any) -> None:
    from xlmerge.plugin import load_registry

    live.add_adapter("a", CONFIG, seed=1)
    live.save_adapter("a", tmp_path / "saved")
    plain = tiny_model(load_registry([]))
    with pytest.raises((CheckpointError, ModelError), match="rtn"):
        plain.load_adapter("a", tmp_path / "saved")
    assert plain.adapters() == ()


def test_what_cannot_be_made_leaves_nothing(live: Any) -> None:
    def make(model: Any, fields: Any) -> Any:
        raise ModelError(f"not of {fields['width']}")

    add_kind(live.model, "odd", make)
    with pytest.raises(ModelError, match="not of 3"):
        live.add_adapter("a", {"architecture": "odd", "width": 3}, seed=1)
    assert live.adapters() == ()
    live.add_adapter("a", CONFIG, seed=1)
