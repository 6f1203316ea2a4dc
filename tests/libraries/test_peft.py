"""Merges of PEFT adapters do in the model what the adapters do there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")

from . import tiny, tiny_peft  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

ARCHITECTURES = tuple(tiny_peft.MODELS)
LORA = tuple(kind for kind in tiny_peft.KINDS if not kind.startswith(("ia3", "prefix")))
FILES = {"bin": "adapter_model.bin", "safetensors": "adapter_model.safetensors"}


@pytest.mark.parametrize("container", FILES)
@pytest.mark.parametrize("kind", tiny_peft.KINDS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_identity(architecture: str, kind: str, container: str, tmp_path: Path) -> None:
    model = tiny_peft.adapted(architecture, tiny_peft.KINDS[kind](architecture), seed=1)
    model.save_pretrained(str(tmp_path / "mine"), safe_serialization=container == "safetensors")
    assert (tmp_path / "mine" / FILES[container]).exists()

    out = tiny.merge("linear", [tmp_path / "mine"], [1.0], tmp_path / "merged")

    assert (out / FILES[container]).exists()
    plain = tiny_peft.load(architecture, out)
    if "prefix" not in kind or architecture == "llama":  # PEFT's prefixes fail on other heads
        tiny.close(tiny_peft.outputs(plain), tiny_peft.outputs(model))
    # Saved again, the file holds the same tensors, those of the head included.
    plain.save_pretrained(str(tmp_path / "again"))
    mine, ours, again = (
        peft.load_peft_weights(str(folder))
        for folder in (tmp_path / "mine", out, tmp_path / "again")
    )
    assert sorted(mine) == sorted(ours) == sorted(again)
    for key, tensor in ours.items():
        assert torch.equal(again[key], tensor)
        torch.testing.assert_close(mine[key], tensor, rtol=0, atol=1e-7)


@pytest.mark.parametrize("kind", LORA)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_sum_of_low_rank_adapters_is_what_peft_does_with_all_active(
    architecture: str, kind: str, tmp_path: Path
) -> None:
    names = ["one", "two", "three"]
    configs = [tiny_peft.without_task(tiny_peft.KINDS[kind](architecture)) for _ in names]
    model = tiny_peft.adapted(architecture, configs[0], seed=1, name=names[0])
    for seed, (name, config) in enumerate(zip(names[1:], configs[1:], strict=True), start=2):
        tiny_peft.add(model, name, config, seed=seed)
    model.save_pretrained(str(tmp_path))
    for count in (2, 3):
        model.base_model.set_adapter(names[:count])
        expected = tiny_peft.outputs(model)
        folders = [tmp_path / name for name in names[:count]]
        out = tiny.merge("linear", folders, [1.0] * count, tmp_path / f"sum_of_{count}")
        tiny.close(tiny_peft.outputs(tiny_peft.load(architecture, out)), expected, 1e-5)


def _deltas(model: Any, name: str) -> dict[str, Any]:
    """The matrix that PEFT would add for each module."""
    return {
        path: module.get_delta_weight(name).detach()
        for path, module in model.named_modules()
        if hasattr(module, "get_delta_weight") and name in module.lora_A
    }


CONFIGS = {
    "ranks": ({"r": 2, "lora_alpha": 6}, {"r": 5, "lora_alpha": 1}),
    "rslora": ({"r": 2, "use_rslora": True}, {"r": 4, "use_rslora": False}),
    "both rslora": ({"r": 4, "use_rslora": True}, {"r": 9, "use_rslora": True}),
    "patterns": ({"r": 2, "rank_pattern": {"query": 4}}, {"r": 3, "alpha_pattern": {"value": 1}}),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_deltas_of_different_ranks_and_scales(case: str, tmp_path: Path) -> None:
    settings = dict(zip(("one", "two"), CONFIGS[case], strict=True))
    weights = {"one": 0.7, "two": -0.4}
    model = None
    for seed, (name, more) in enumerate(settings.items(), start=1):
        config = peft.LoraConfig(target_modules=["query", "value"], **more)
        if model is None:
            model = tiny_peft.adapted("xlmr", config, seed=seed, name=name)
        else:
            tiny_peft.add(model, name, config, seed=seed)
    model.save_pretrained(str(tmp_path))
    one, two = (_deltas(model, name) for name in settings)

    out = tiny.merge(
        "linear", [tmp_path / name for name in weights], list(weights.values()), tmp_path / "merged"
    )

    merged = _deltas(tiny_peft.load("xlmr", out), "default")
    assert merged.keys() == one.keys()
    for path, delta in merged.items():
        tiny.close(delta, weights["one"] * one[path] + weights["two"] * two[path])


def test_layers_left_out_on_one_side_are_refused(tmp_path: Path) -> None:
    import xlmerge

    for name, layers in (("one", [0, 1]), ("two", [0, 2])):
        config = peft.LoraConfig(
            target_modules=["query"], layers_to_transform=layers, layers_pattern="layer"
        )
        tiny_peft.adapted("xlmr", config, seed=1).save_pretrained(str(tmp_path / name))
    with pytest.raises(
        xlmerge.XLMergeError, match=r"one has parameters that two has not.*layer\.1"
    ):
        tiny.merge("linear", [tmp_path / "one", tmp_path / "two"], [0.5, 0.5], tmp_path / "out")


@pytest.mark.parametrize("feedforward", [False, True])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_scaling_vectors_are_summed_around_one(
    architecture: str, feedforward: bool, tmp_path: Path
) -> None:
    kind = tiny_peft.KINDS["ia3_feedforward" if feedforward else "ia3"]
    weights = {"one": 0.7, "two": -0.4}
    state: dict[str, dict[str, Any]] = {}
    for seed, name in enumerate(weights, start=1):
        model = tiny_peft.adapted(architecture, kind(architecture), seed=seed)
        model.save_pretrained(str(tmp_path / name))
        state[name] = peft.get_peft_model_state_dict(model)
    model = tiny_peft.adapted(architecture, kind(architecture), seed=1)  # with the head of `one`
    summed = {
        key: 1 + sum(weight * (state[name][key] - 1) for name, weight in weights.items())
        for key in state["one"]
        if "ia3" in key
    }
    peft.set_peft_model_state_dict(model, {**state["one"], **summed})
    heads = {} if architecture == "llama" else {"heads": "from one"}
    out = tiny.merge(
        "linear",
        [tmp_path / name for name in weights],
        list(weights.values()),
        tmp_path / "merged",
        **heads,
    )
    tiny.close(tiny_peft.outputs(tiny_peft.load(architecture, out)), tiny_peft.outputs(model))


@pytest.mark.parametrize("kind", ["prefix", "prefix_projection"])
def test_prefixes_are_summed(kind: str, tmp_path: Path) -> None:
    config = tiny_peft.KINDS[kind]
    prefixes = {}
    for seed, name in enumerate(("one", "two"), start=1):
        model = tiny_peft.adapted("llama", config("llama"), seed=seed)
        model.save_pretrained(str(tmp_path / name))
        prefixes[name] = model.get_prompt_embedding_to_save("default")
    out = tiny.merge("linear", [tmp_path / "one", tmp_path / "two"], [0.7, -0.4], tmp_path / "out")
    merged = tiny_peft.load("llama", out)
    expected = 0.7 * prefixes["one"] - 0.4 * prefixes["two"]
    tiny.close(merged.get_prompt_embedding_to_save("default"), expected, 1e-5)
    plain = tiny_peft.adapted(
        "llama", peft.PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4), seed=3
    )
    plain.prompt_encoder["default"].embedding.weight.data = expected
    tiny.close(tiny_peft.outputs(merged), tiny_peft.outputs(plain), 1e-5)


def test_a_dropped_head_leaves_none_behind(tmp_path: Path) -> None:
    """Without `modules_to_save` and task type PEFT keeps the base model's head."""
    model = tiny_peft.adapted("xlmr", tiny_peft.KINDS["lora"]("xlmr"), seed=1)
    model.save_pretrained(str(tmp_path / "mine"))
    out = tiny.merge("linear", [tmp_path / "mine"], [1.0], tmp_path / "out", heads="drop")
    assert all("classifier" not in key for key in peft.load_peft_weights(str(out)))
    config = json.loads((out / "adapter_config.json").read_text())
    assert config["modules_to_save"] is config["task_type"] is None
    plain = tiny_peft.load("xlmr", out)
    untouched = tiny_peft.base_model("xlmr").classifier.state_dict()
    found = plain.base_model.model.classifier.state_dict()
    assert all(torch.equal(found[key], untouched[key]) for key in untouched)
