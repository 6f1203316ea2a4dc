"""Base models and adapters, loaded whole or not at all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.errors import CheckpointError, ModelError

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("torch")
pytest.importorskip("adapters")
pytestmark = pytest.mark.libraries


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from builders.tiny_training import save_base

    return save_base(tmp_path_factory.mktemp("base") / "tiny-base")


@pytest.fixture
def live(base: Path) -> Any:
    from builders.tiny_training import registry
    from xlmerge.runtime import LiveModel

    return LiveModel.load(str(base), registry=registry())


def language(**fields: Any) -> dict[str, Any]:
    from builders.tiny_training import named_config

    return named_config("madx_language", **fields)


def test_the_bias_of_the_output_embeddings_comes_along(live: Any, base: Path) -> None:
    from transformers import AutoModelForMaskedLM

    bias = AutoModelForMaskedLM.from_pretrained(base).get_output_embeddings().bias
    assert bias.abs().sum() > 0
    assert (live.model.heads["default"].get_output_embeddings().bias == bias).all()


def test_the_head_gives_what_the_masked_language_model_gives(live: Any, base: Path) -> None:
    import torch
    from transformers import AutoModelForMaskedLM

    inputs = live.tokenizer(["bana buna", "keta"], return_tensors="pt", padding=True)
    plain = AutoModelForMaskedLM.from_pretrained(base).eval()
    with torch.no_grad(), live.activated(None, head="default"):
        got = live.forward(**inputs).logits
        expected = plain(**inputs).logits
    assert (got - expected).abs().max() < 1e-6


def test_files_name_the_base_model_and_not_a_place_on_this_machine(
    live: Any, tmp_path: Path
) -> None:
    live.add_adapter("a", language(), seed=0)
    live.save_adapter("a", tmp_path / "a")
    config = json.loads((tmp_path / "a" / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["model_name"] == "tiny-base"


def test_initial_values_follow_from_the_seed_alone(live: Any) -> None:
    import torch

    before = torch.random.get_rng_state()
    live.add_adapter("first", language(), seed=3)
    torch.rand(5)
    torch.random.set_rng_state(before)
    live.add_adapter("second", language(), seed=3)
    live.add_adapter("third", language(), seed=4)
    assert torch.equal(torch.random.get_rng_state(), before)
    first, second, third = (
        list(live.adapter_parameters(name).values()) for name in ("first", "second", "third")
    )
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, third, strict=True))


def test_layers_start_from_different_values(live: Any) -> None:
    import torch

    live.add_adapter("a", language(), seed=0)
    downs = [p for key, p in live.adapter_parameters("a").items() if key.endswith("down.0.weight")]
    assert len(downs) == live.layers > 1
    assert not torch.equal(downs[0], downs[1])


@pytest.mark.parametrize("format_", ["bin", "safetensors"])
def test_saved_and_loaded_it_is_the_same(live: Any, tmp_path: Path, format_: str) -> None:
    import torch

    live.add_adapter("a", language(), seed=0)
    live.save_adapter("a", tmp_path / "a", format_=format_)
    live.load_adapter("b", tmp_path / "a")
    a, b = live.adapter_parameters("a"), live.adapter_parameters("b")
    assert len(b) == 4 * live.layers + 8
    assert all(torch.equal(x, y) for x, y in zip(a.values(), b.values(), strict=True))
    assert not any(p.requires_grad for p in b.values())


def test_a_model_that_gets_no_invertible_part_is_refused(
    live: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some models of the library have no place for one, and it passes over that in silence."""
    monkeypatch.setattr(live.model.base_model, "add_invertible_adapter", lambda name: False)
    with pytest.raises(ModelError, match="puts none at the embeddings"):
        live.add_adapter("a", language(), seed=0)
    assert live.adapters() == ()
    live.add_adapter("a", language(inv_adapter=None), seed=0)


def test_names_are_compared_whole(live: Any) -> None:
    live.add_adapter("en", language(), seed=0)
    live.add_adapter("en_x", language(), seed=1)
    assert not set(live.adapter_parameters("en")) & set(live.adapter_parameters("en_x"))


def test_an_adapter_of_another_depth_is_refused_and_leaves_nothing(
    live: Any, tmp_path: Path
) -> None:
    from builders.tiny_training import registry, save_base
    from xlmerge.runtime import LiveModel

    deeper = save_base(tmp_path / "deeper", num_hidden_layers=live.layers + 1)
    other = LiveModel.load(str(deeper), registry=registry())
    other.add_adapter("a", language(), seed=0)
    other.save_adapter("a", tmp_path / "a")
    with pytest.raises(ModelError, match="does not fit"):
        live.load_adapter("a", tmp_path / "a")
    assert live.adapters() == ()
    live.load_adapter("b", tmp_path / "a", leave_out=[live.layers])
    assert len(live.adapter_parameters("b")) == 4 * live.layers + 8
    live.add_adapter("c", language(), seed=0)
    live.save_adapter("c", tmp_path / "c")
    with pytest.raises(ModelError, match="missing"):
        other.load_adapter("c", tmp_path / "c")
    assert other.adapters() == ("a",)


def test_an_adapter_of_another_width_is_refused_and_leaves_nothing(
    live: Any, tmp_path: Path
) -> None:
    from builders.tiny_training import registry, save_base
    from xlmerge.runtime import LiveModel

    wider = save_base(tmp_path / "wider", hidden_size=32)
    other = LiveModel.load(str(wider), registry=registry())
    assert other.model.config.hidden_size != live.model.config.hidden_size
    other.add_adapter("a", language(), seed=0)
    other.save_adapter("a", tmp_path / "a")
    with pytest.raises(ModelError, match="does not fit"):
        live.load_adapter("a", tmp_path / "a")
    assert live.adapters() == ()


@pytest.mark.parametrize("name", ["a.b", "a,b", "a/b", "a b", ""])
def test_names_that_the_libraries_split_are_refused(live: Any, name: str) -> None:
    with pytest.raises(ModelError, match="name"):
        live.add_adapter(name, language(), seed=0)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    from builders.tiny_training import registry
    from xlmerge.runtime import LiveModel

    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"config\.json"):
        LiveModel.load("empty", start=tmp_path, registry=registry())
    with pytest.raises(ModelError, match="cannot be loaded"):
        LiveModel.load("nobody/nothing", start=tmp_path, registry=registry())


def test_a_checkpoint_that_lacks_weights_is_refused(base: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    from builders.tiny_training import registry
    from xlmerge.runtime import LiveModel

    half = tmp_path / "half"
    shutil.copytree(base, half)
    tensors = load_file(half / "model.safetensors")
    tensors = {key: tensor for key, tensor in tensors.items() if "layer.1." not in key}
    save_file(tensors, half / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="lacks"):
        LiveModel.load(str(half), registry=registry())


def test_an_unknown_device_or_precision_is_refused(base: Path) -> None:
    from builders.tiny_training import registry
    from xlmerge.runtime import LiveModel

    with pytest.raises(ModelError, match="gpu"):
        LiveModel.load(str(base), registry=registry(), device="gpu")
    with pytest.raises(ModelError, match="int8"):
        LiveModel.load(str(base), registry=registry(), dtype="int8")
    with pytest.raises(ModelError, match="float16"):
        LiveModel.load(str(base), registry=registry(), device="cpu", dtype="float16")


def test_what_was_active_is_active_again(live: Any) -> None:
    live.add_adapter("a", language(), seed=0)
    with pytest.raises(RuntimeError, match="on purpose"), live.activated("a", head="default"):
        assert live.model.active_head == "default"
        raise RuntimeError("on purpose")
    assert live.model.adapters_config.active_setup is None


def test_a_head_that_is_added_is_not_active(live: Any) -> None:
    from builders.tiny_training import registry

    task = registry().task("sequence_classification").descriptor
    logic = task.function(pooling="mean")
    logic.prepare(live.model)
    before = live.model.active_head
    live.add_head("h", logic.head_config(("x", "y")), seed=0)
    assert live.model.active_head == before
    with pytest.raises(ModelError, match="already"):
        live.add_head("h", logic.head_config(("x", "y")), seed=0)


def test_a_corrupt_folder_is_an_error_of_the_file(live: Any, tmp_path: Path) -> None:
    live.add_adapter("a", language(), seed=0)
    live.save_adapter("a", tmp_path / "a")
    (tmp_path / "a" / "pytorch_adapter.bin").write_bytes(b"no tensors")
    with pytest.raises((ModelError, CheckpointError)):
        live.load_adapter("b", tmp_path / "a")
    assert live.adapters() == ("a",)
