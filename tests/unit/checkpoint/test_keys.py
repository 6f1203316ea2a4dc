"""Canonical keys: the same tensor under the same name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlmerge.checkpoint.keys import canonical_adapters_keys, canonical_peft_keys
from xlmerge.errors import CheckpointError

TAILS = (
    "encoder.layer.{i}.output.adapters.{name}.adapter_down.0.weight",
    "encoder.layer.{i}.attention.self.query.loras.{name}.lora_A",
    "layers.{i}.output_adapters.adapters.{name}.adapter_up.bias",
    "invertible_adapters.{name}.F.0.weight",
    "prefix_tuning.prefix_tunings.{name}.self_prefix.control_trans",
)
NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)


@given(NAMES, st.sampled_from(["", "roberta.", "bert.", "model.", "my_model."]), st.integers(0, 99))
def test_prefix_and_name_are_taken_off_and_put_back(name: str, prefix: str, layer: int) -> None:
    keys = [prefix + tail.format(i=layer, name=name) for tail in TAILS]
    found = canonical_adapters_keys(keys, "here")
    assert found.name == name
    assert found.prefix == prefix
    assert sorted(found.stored) == sorted(tail.format(i=layer, name="{name}") for tail in TAILS)
    for canonical, stored in found.stored.items():
        assert found.spell(canonical, name) == stored
        assert found.spell(canonical, "other") != stored or name == "other"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "bert.encoder.layer.0.output.layer_text_lang_adapters.en.adapter_up.bias",
            "encoder.layer.0.output.adapters.{name}.adapter_up.bias",
        ),
        (
            "bert.encoder.layer.0.attention.output.attention_text_task_adapters.en.adapter_up.bias",
            "encoder.layer.0.attention.output.adapters.{name}.adapter_up.bias",
        ),
        ("bert.invertible_lang_adapters.en.F.0.bias", "invertible_adapters.{name}.F.0.bias"),
    ],
)
def test_old_names(old: str, new: str) -> None:
    found = canonical_adapters_keys([old], "here")
    assert list(found.stored) == [new]
    assert found.spell(new, "en") == "bert." + new.replace("{name}", "en")


def test_an_adapter_named_like_a_container() -> None:
    found = canonical_adapters_keys(
        ["roberta.encoder.layer.0.output.adapters.adapters.adapter_up.bias"], "here"
    )
    assert found.name == "adapters"


def test_two_names() -> None:
    keys = [f"encoder.layer.0.output.adapters.{name}.adapter_up.bias" for name in ("a", "b")]
    with pytest.raises(CheckpointError, match=r"two adapter names, 'a' .* and 'b'"):
        canonical_adapters_keys(keys, "here")


def test_two_models() -> None:
    keys = [
        f"{prefix}.encoder.layer.{i}.output.adapters.a.adapter_up.bias"
        for i, prefix in enumerate(("bert", "roberta"))
    ]
    with pytest.raises(
        CheckpointError, match=r"the keys start in two models: 'bert\.', 'roberta\.'"
    ):
        canonical_adapters_keys(keys, "here")


def test_two_spellings_of_one_tensor() -> None:
    keys = [
        f"encoder.layer.0.output.{where}.a.adapter_up.bias"
        for where in ("adapters", "layer_text_task_adapters")
    ]
    with pytest.raises(CheckpointError, match="two spellings of one tensor"):
        canonical_adapters_keys(keys, "here")


@pytest.mark.parametrize("prefix", ["roberta.", "bert.", "model.", ""])
def test_peft(prefix: str) -> None:
    keys = [
        f"base_model.model.{prefix}encoder.layer.0.attention.self.query.lora_A.weight",
        f"base_model.model.{prefix}layers.0.self_attn.q_proj.lora_B.weight",
        "base_model.model.classifier.dense.weight",
        "base_model.classifier.out_proj.weight",
        "prompt_embeddings",
    ]
    found = canonical_peft_keys(keys, "here")
    assert sorted(found.stored) == [
        "classifier.dense.weight",
        "classifier.out_proj.weight",
        "encoder.layer.0.attention.self.query.lora_A.weight",
        "layers.0.self_attn.q_proj.lora_B.weight",
        "prompt_embeddings",
    ]
    assert found.name is None
    for canonical, stored in found.stored.items():
        assert found.spell(canonical, "whatever") == stored


def test_containers_of_other_packages_are_known_by_the_recorded_name() -> None:
    keys = [
        "roberta.encoder.layer.0.output.adapters.en.adapter_up.bias",
        "roberta.scale_shift_adapters.en.scale",
        "roberta.encoder.layer.0.acme_adapters.en.shift",
    ]
    found = canonical_adapters_keys(keys, "here", "en")
    assert found.stored == {
        "encoder.layer.0.output.adapters.{name}.adapter_up.bias": keys[0],
        "scale_shift_adapters.{name}.scale": keys[1],
        "encoder.layer.0.acme_adapters.{name}.shift": keys[2],
    }
    assert found.spell("scale_shift_adapters.{name}.scale", "x") == (
        "roberta.scale_shift_adapters.x.scale"
    )


def test_a_recorded_name_that_is_a_word_of_the_key_changes_nothing() -> None:
    keys = ["encoder.layer.0.output.adapters.output.adapter_up.bias"]
    found = canonical_adapters_keys(keys, "here", "output")
    assert list(found.stored) == ["encoder.layer.0.output.adapters.{name}.adapter_up.bias"]


def test_encoder_and_decoder_of_one_model_stay_apart() -> None:
    keys = [
        f"base_model.model.model.{side}.layers.0.self_attn.q_proj.lora_A.weight"
        for side in ("encoder", "decoder")
    ]
    assert len(canonical_peft_keys(keys, "here").stored) == 2
