"""One adapter at weight 1 is the same adapter, to the library that loads it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")

from . import tiny  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

CONTAINERS = ("bin", "safetensors")
FILES = {"bin": "pytorch_adapter.bin", "safetensors": "adapter.safetensors"}


def _save(model: Any, kind: str, container: str, folder: Path) -> None:
    """Save as the test asks for, where the library can."""
    safe = container == "safetensors" and kind not in tiny.SHARES_TENSORS
    model.save_adapter(str(folder), "mine", use_safetensors=safe)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("kind", tiny.KINDS)
@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_from_a_model_with_a_head(
    architecture: str, kind: str, container: str, tmp_path: Path
) -> None:
    model = tiny.head_model(architecture)
    tiny.add_adapter(model, "mine", tiny.KINDS[kind](), seed=1, labels=3)
    expected = tiny.outputs(model, "mine")
    _save(model, kind, container, tmp_path / "mine")

    out = tiny.merge("linear", [tmp_path / "mine"], [1.0], tmp_path / "merged", format=container)

    plain = tiny.head_model(architecture)
    name = tiny.load(plain, out)
    assert name == "merged"
    # The head is called like the adapter, so that activating the adapter activates it.
    tiny.close(tiny.outputs(plain, name), expected)
    assert plain.active_head == name


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("kind", tiny.KINDS)
@pytest.mark.parametrize("architecture", ["xlmr", "llama"])
def test_from_a_bare_model_into_one_with_a_head_and_back(
    architecture: str, kind: str, container: str, tmp_path: Path
) -> None:
    model = tiny.bare_model(architecture)
    tiny.add_adapter(model, "mine", tiny.KINDS[kind](), seed=1)
    expected = tiny.outputs(model, "mine")
    _save(model, kind, container, tmp_path / "mine")

    out = tiny.merge("linear", [tmp_path / "mine"], [1.0], tmp_path / "merged", format=container)

    bare = tiny.bare_model(architecture)
    tiny.close(tiny.outputs(bare, tiny.load(bare, out)), expected)
    headed = tiny.head_model(architecture)
    headed.set_active_adapters(tiny.load(headed, out))
    base = headed.base_model
    with torch.no_grad():
        tiny.close(base(**tiny.INPUTS).last_hidden_state, expected)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_loaded_under_another_name_and_saved_again(kind: str, tmp_path: Path) -> None:
    model = tiny.head_model("xlmr")
    tiny.add_adapter(model, "mine", tiny.KINDS[kind](), seed=1, labels=3)
    expected = tiny.outputs(model, "mine")
    model.save_adapter(str(tmp_path / "mine"), "mine")
    out = tiny.merge("linear", [tmp_path / "mine"], [1.0], tmp_path / "merged")

    plain = tiny.head_model("xlmr")
    assert tiny.load(plain, out, load_as="other") == "other"
    tiny.close(tiny.outputs(plain, "other"), expected)

    plain.save_adapter(str(tmp_path / "again"), "other")
    ours = torch.load(out / "pytorch_adapter.bin", weights_only=True)
    theirs = torch.load(tmp_path / "again" / "pytorch_adapter.bin", weights_only=True)
    renamed = {key.replace(".merged.", ".other."): tensor for key, tensor in ours.items()}
    assert sorted(renamed) == sorted(theirs)
    for key, tensor in theirs.items():
        torch.testing.assert_close(renamed[key], tensor, rtol=0, atol=0)
    ours_config, their_config = (
        json.loads((folder / "adapter_config.json").read_text())
        for folder in (out, tmp_path / "again")
    )
    assert {**ours_config, "name": "other"} == their_config


@pytest.mark.parametrize("kind", tiny.KINDS)
@pytest.mark.parametrize("container", CONTAINERS)
def test_merging_again_gives_the_same_bytes(kind: str, container: str, tmp_path: Path) -> None:
    """What xlmerge writes it reads as what it wrote: layers, sites, ranks, scales."""
    model = tiny.head_model("llama")
    tiny.add_adapter(model, "mine", tiny.KINDS[kind](), seed=1)
    model.save_adapter(str(tmp_path / "mine"), "mine")
    out = tmp_path / "mine"
    for turn in ("first", "second"):
        out = tiny.merge("linear", [out], [1.0], tmp_path / turn / "merged", format=container)
    first, second = (tmp_path / turn / "merged" / FILES[container] for turn in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_a_static_head_stays_with_its_adapter(tmp_path: Path) -> None:
    def make() -> Any:
        import adapters
        import transformers

        kind = transformers.XLMRobertaForSequenceClassification
        model = tiny.seeded(lambda: kind(tiny.config_of("xlmr")))
        adapters.init(model)
        return model

    model = make()
    tiny.add_adapter(model, "mine", tiny.KINDS["seq_bn"](), seed=1)
    tiny.fill(model, list(model.classifier.parameters()), seed=2)
    expected = tiny.outputs(model, "mine")
    model.save_adapter(str(tmp_path / "mine"), "mine")

    out = tiny.merge("linear", [tmp_path / "mine"], [1.0], tmp_path / "merged")

    plain = make()
    assert not torch.allclose(plain.classifier.out_proj.weight, model.classifier.out_proj.weight)
    tiny.close(tiny.outputs(plain, tiny.load(plain, out)), expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_precisions(dtype: str, tmp_path: Path) -> None:
    """An adapter stored in half precision stays so, bit by bit."""
    model = tiny.head_model("xlmr")
    tiny.add_adapter(model, "mine", tiny.KINDS["seq_bn_inv"](), seed=1)
    model.adapter_to("mine", dtype=getattr(torch, dtype))
    model.save_adapter(str(tmp_path / "mine"), "mine")
    before = torch.load(tmp_path / "mine" / "pytorch_adapter.bin", weights_only=True)

    out = tiny.merge("linear", [tmp_path / "mine"], [1.0], tmp_path / "merged")

    after = torch.load(out / "pytorch_adapter.bin", weights_only=True)
    assert {str(tensor.dtype) for tensor in after.values()} == {f"torch.{dtype}"}
    for key, tensor in before.items():
        assert torch.equal(after[key.replace(".mine.", ".merged.")], tensor)
