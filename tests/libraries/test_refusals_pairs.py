"""Adapters that cannot be merged with each other, and what xlmerge says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")
peft = pytest.importorskip("peft")

from adapters import configuration as configs  # noqa: E402

import xlmerge  # noqa: E402

from . import tiny, tiny_peft  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

PAIRS = {
    "different activations": (
        lambda: configs.SeqBnConfig(reduction_factor=4),
        lambda: configs.SeqBnConfig(reduction_factor=4, non_linearity="gelu"),
        "different bottleneck.non_linearity: one has 'relu', two has 'gelu'",
    ),
    "different widths": (
        lambda: configs.SeqBnConfig(reduction_factor=4),
        lambda: configs.SeqBnConfig(reduction_factor=2),
        "different bottleneck.reduction_factor",
    ),
    "one without a coupling": (
        lambda: configs.SeqBnInvConfig(reduction_factor=2),
        lambda: configs.SeqBnConfig(reduction_factor=2),
        "one is bottleneck \\+ nice, two is bottleneck",
    ),
    "layers left out on one side": (
        lambda: configs.SeqBnConfig(reduction_factor=4),
        lambda: configs.SeqBnConfig(reduction_factor=4, leave_out=[2]),
        "different bottleneck.leave_out",
    ),
    "before and after the sub-layer": (
        lambda: configs.SeqBnConfig(reduction_factor=4),
        lambda: configs.SeqBnConfig(reduction_factor=4, is_parallel=True),
        "different bottleneck.is_parallel",
    ),
    "different scales": (
        configs.ParBnConfig,
        lambda: configs.ParBnConfig(scaling=2.0),
        "different bottleneck.scaling",
    ),
    "a bottleneck and a LoRA": (
        configs.SeqBnConfig,
        configs.LoRAConfig,
        "one is bottleneck, two is lora",
    ),
    "a LoRA and an (IA)³": (
        lambda: configs.LoRAConfig(r=1),
        configs.IA3Config,
        "one is lora, two is ia3",
    ),
    "LoRA at different places": (
        lambda: configs.LoRAConfig(r=1),
        lambda: configs.LoRAConfig(r=1, attn_matrices=["q", "k"]),
        "one has parameters that two has not: .*value",
    ),
    "prefixes of different lengths": (
        lambda: configs.PrefixTuningConfig(flat=True, prefix_length=3),
        lambda: configs.PrefixTuningConfig(flat=True, prefix_length=4),
        "different prefix.prefix_length",
    ),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_pairs_that_do_not_fit(pair: str, tmp_path: Path) -> None:
    *makers, message = PAIRS[pair]
    model = tiny.head_model("xlmr")
    for name, make in zip(("one", "two"), makers, strict=True):
        model.add_adapter(name, config=make())
        model.save_adapter(str(tmp_path / name), name)
    with pytest.raises(xlmerge.XLMergeError, match=message):
        tiny.merge("linear", [tmp_path / "one", tmp_path / "two"], [0.5, 0.5], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_adapters_of_different_models(tmp_path: Path) -> None:
    """Equal shapes, and nothing in common."""
    for name, architecture in (("one", "xlmr"), ("two", "bert")):
        model = tiny.head_model(architecture)
        tiny.add_adapter(model, name, tiny.KINDS["seq_bn"](), seed=1)
        model.save_adapter(str(tmp_path / name), name)
    with pytest.raises(
        xlmerge.XLMergeError, match="different model type: one xlm-roberta, two bert"
    ):
        tiny.merge("linear", [tmp_path / "one", tmp_path / "two"], [0.5, 0.5], tmp_path / "out")


def test_scaling_vectors_of_inputs_and_outputs(tmp_path: Path) -> None:
    """Where a map is square, shapes do not tell which side (IA)³ scales; the configuration does."""
    for name, feedforward in (("one", ["attention.output.dense"]), ("two", [])):
        config = peft.IA3Config(
            target_modules=["query", "attention.output.dense"], feedforward_modules=feedforward
        )
        tiny_peft.adapted("xlmr", config, seed=1).save_pretrained(str(tmp_path / name))
    with pytest.raises(xlmerge.XLMergeError, match=r"different ia3\.feedforward_modules"):
        tiny.merge("linear", [tmp_path / "one", tmp_path / "two"], [0.5, 0.5], tmp_path / "out")


def test_folders_of_both_libraries(tmp_path: Path) -> None:
    model = tiny.head_model("xlmr")
    tiny.add_adapter(model, "one", tiny.KINDS["lora"](), seed=1)
    model.save_adapter(str(tmp_path / "one"), "one")
    tiny_peft.adapted("xlmr", tiny_peft.KINDS["lora_no_task"]("xlmr"), seed=1).save_pretrained(
        str(tmp_path / "two")
    )
    with pytest.raises(xlmerge.XLMergeError, match="one is a folder of adapters, two of peft"):
        tiny.merge("linear", [tmp_path / "one", tmp_path / "two"], [0.5, 0.5], tmp_path / "out")
