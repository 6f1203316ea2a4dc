"""What xlmerge refuses to merge, made by the libraries that allow it, and what it says.

A list to read: each row is something a user may have, with the words they get.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")
peft = pytest.importorskip("peft")

from adapters import configuration as configs  # noqa: E402

import xlmerge  # noqa: E402
from xlmerge.errors import UnsupportedAdapterError  # noqa: E402

from . import tiny, tiny_peft  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ADAPTERS = {
    # LoRA and its relatives
    "DoRA": (lambda: configs.DoRAConfig(r=2), "`use_dora: true`.*magnitudes are no addition"),
    "VeRA": (lambda: configs.VeraConfig(r=2), "`vera_d: 0.1`.*random matrices"),
    "gated LoRA": (
        lambda: configs.LoRAConfig(r=2, use_gating=True),
        "`use_gating: true`.*function of the input",
    ),
    "MTL-LoRA": (lambda: configs.MTLLoRAConfig(r=2), '`architecture: "mtl_lora"`.*task-specific'),
    "gated (IA)³": (lambda: configs.IA3Config(use_gating=True), "`use_gating: true`"),
    # Bottlenecks
    "gated bottleneck": (
        lambda: configs.SeqBnConfig(use_gating=True),
        "`use_gating: true`.*function of the input",
    ),
    "Compacter": (
        lambda: configs.CompacterConfig(reduction_factor=2, phm_dim=4),
        "`phm_layer: true`.*Compacter's weights are products",
    ),
    "learned scale": (lambda: configs.SeqBnConfig(scaling="learned"), '`scaling: "learned"`'),
    "scale of a channel": (lambda: configs.SeqBnConfig(scaling="channel"), '`scaling: "channel"`'),
    "layer norm before": (lambda: configs.SeqBnConfig(ln_before=True), "`ln_before: true`"),
    "layer norm after": (lambda: configs.SeqBnConfig(ln_after=True), "`ln_after: true`"),
    "GLOW coupling": (
        lambda: configs.SeqBnInvConfig(inv_adapter="glow", reduction_factor=2),
        "`inv_adapter: glow`.*fails in the forward pass",
    ),
    # Prefixes and prompts
    "gated prefix": (
        lambda: configs.PrefixTuningConfig(flat=True, prefix_length=3, use_gating=True),
        "`use_gating: true`",
    ),
    "prefix network without tanh": (
        lambda: configs.PrefixTuningConfig(
            prefix_length=3, bottleneck_size=4, non_linearity="relu"
        ),
        '`non_linearity: "relu"`.*tanh',
    ),
    "soft prompt": (configs.PromptTuningConfig, '`architecture: "prompt_tuning"`'),
    # Others
    "ReFT": (configs.LoReftConfig, '`architecture: "reft"`.*subspace'),
    "UniPELT": (configs.UniPELTConfig, '`architecture: "union"`.*several methods'),
    "MAM": (configs.MAMConfig, '`architecture: "union"`.*several methods'),
    "union": (
        lambda: configs.ConfigUnion(configs.LoRAConfig(r=2), configs.SeqBnConfig()),
        '`architecture: "union"`.*several methods',
    ),
}


@pytest.mark.parametrize("kind", ADAPTERS)
def test_kinds_of_adapters(kind: str, tmp_path: Path) -> None:
    make, message = ADAPTERS[kind]
    model = tiny.head_model("xlmr")
    model.add_adapter("mine", config=make())
    model.save_adapter(str(tmp_path / "mine"), "mine")
    with pytest.raises(UnsupportedAdapterError, match=message):
        xlmerge.load(tmp_path / "mine")


def _lora(**more: Any) -> Callable[[], Any]:
    return lambda: peft.LoraConfig(**{"r": 2, "target_modules": ["query", "value"], **more})


def _on_query(kind: str, **more: Any) -> Callable[[], Any]:
    return lambda: getattr(peft, kind)(target_modules=["query"], **more)


PEFT = {
    # Settings of LoRA
    "DoRA": (_lora(use_dora=True), "`use_dora: true`.*magnitudes are no addition"),
    "trained biases": (_lora(bias="lora_only"), '`bias: "lora_only"`.*biases of the base model'),
    "bias of B": (_lora(lora_bias=True), "`lora_bias: true`"),
    "PiSSA": (
        _lora(init_lora_weights="pissa"),
        '`init_lora_weights: "pissa"`.*(?s:.*)path_initial_model_for_weight_conversion',
    ),
    "OLoRA": (_lora(init_lora_weights="olora"), '`init_lora_weights: "olora"`.*on loading'),
    "QA-LoRA": (_lora(use_qalora=True, qalora_group_size=4), "`use_qalora: true`"),
    "trained tokens": (_lora(trainable_token_indices=[1]), r"`trainable_token_indices: \[1\]`"),
    "LoRA on embeddings": (
        _lora(target_modules=["query", "word_embeddings"]),
        "word_embeddings.lora_embedding_A: LoRA on an embedding",
    ),
    "LoRA on parameters": (
        _lora(
            target_modules=[],
            target_parameters=["roberta.encoder.layer.0.attention.self.query.weight"],
        ),
        "`target_parameters",
    ),
    # Other methods
    "AdaLoRA": (
        _on_query("AdaLoraConfig", total_step=9, init_r=4, target_r=2),
        'peft_type: "ADALORA"`.*mask',
    ),
    "LoHa": (_on_query("LoHaConfig", r=2), '"LOHA"`.*(?s:.*)convert_to_lora'),
    "LoKr": (_on_query("LoKrConfig", r=2), '"LOKR"`.*Kronecker'),
    "VeRA": (_on_query("VeraConfig", r=2), '"VERA"`.*random matrices'),
    "OFT": (_on_query("OFTConfig", oft_block_size=4), '"OFT"`.*rotations'),
    "BOFT": (_on_query("BOFTConfig", boft_block_size=4), '"BOFT"`.*rotations'),
    "FourierFT": (
        _on_query("FourierFTConfig", n_frequency=9),
        '"FOURIERFT"`.*this version merges LORA, IA3, PREFIX_TUNING',
    ),
    "layer norms": (lambda: peft.LNTuningConfig(target_modules=["LayerNorm"]), '"LN_TUNING"`'),
    "soft prompt": (
        lambda: peft.PromptTuningConfig(num_virtual_tokens=3, task_type="SEQ_CLS"),
        '"PROMPT_TUNING"`',
    ),
    "p-tuning": (
        lambda: peft.PromptEncoderConfig(num_virtual_tokens=3, task_type="SEQ_CLS"),
        '"P_TUNING"`',
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", PEFT)
def test_kinds_of_peft(kind: str, tmp_path: Path) -> None:
    make, message = PEFT[kind]
    model = peft.get_peft_model(tiny_peft.base_model("xlmr"), make())
    model.save_pretrained(str(tmp_path / "mine"))
    with pytest.raises(UnsupportedAdapterError, match=message):
        xlmerge.load(tmp_path / "mine")


def test_lora_on_a_convolution(tmp_path: Path) -> None:
    class Convolutional(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = torch.nn.Conv2d(3, 4, 3)

    model = peft.get_peft_model(
        Convolutional(), peft.LoraConfig(r=2, target_modules=["convolution"])
    )
    model.save_pretrained(str(tmp_path / "mine"))
    with pytest.raises(xlmerge.XLMergeError, match="LoRA on a convolution"):
        xlmerge.load(tmp_path / "mine")


def test_pissa_can_be_merged_once_it_is_converted(tmp_path: Path) -> None:
    """The hint of the refusal works."""
    model = tiny_peft.base_model("xlmr")
    config = _lora(init_lora_weights="pissa")()
    model = peft.get_peft_model(model, config)
    model.save_pretrained(str(tmp_path / "initial"))
    tiny_peft.fill(model, seed=1)
    expected = tiny_peft.outputs(model)
    config.init_lora_weights = True  # PEFT wants it so for the conversion
    model.save_pretrained(
        str(tmp_path / "mine"), path_initial_model_for_weight_conversion=str(tmp_path / "initial")
    )
    out = tiny.merge("linear", [tmp_path / "mine"], [1.0], tmp_path / "out")
    tiny.close(tiny_peft.outputs(tiny_peft.load("xlmr", out)), expected, 1e-5)


@pytest.mark.skipif(not hasattr(peft, "save_as_lora"), reason="PEFT cannot convert yet")
def test_a_converted_method_can_be_merged(tmp_path: Path) -> None:
    """So does the other one."""
    model = peft.get_peft_model(tiny_peft.base_model("xlmr"), PEFT["LoHa"][0]())
    tiny_peft.fill(model, seed=1)
    expected = tiny_peft.outputs(model)
    peft.save_as_lora(str(tmp_path / "mine"), model, rank=tiny.HIDDEN)
    out = tiny.merge("linear", [tmp_path / "mine"], [1.0], tmp_path / "out")
    tiny.close(tiny_peft.outputs(tiny_peft.load("xlmr", out)), expected, 1e-4)


def test_a_fusion_is_no_adapter(tmp_path: Path) -> None:
    model = tiny.head_model("xlmr")
    for name in ("one", "two"):
        model.add_adapter(name, config="seq_bn")
    model.add_adapter_fusion(["one", "two"])
    model.save_adapter_fusion(str(tmp_path / "fusion"), ["one", "two"])
    with pytest.raises(xlmerge.XLMergeError, match=r"(?s)no adapter here.*a fusion lies here"):
        xlmerge.load(tmp_path / "fusion")


def test_a_head_is_no_adapter(tmp_path: Path) -> None:
    model = tiny.head_model("xlmr")
    model.add_classification_head("mine")
    model.save_head(str(tmp_path / "head"), "mine")
    with pytest.raises(xlmerge.XLMergeError, match=r"(?s)no adapter here.*only a prediction head"):
        xlmerge.load(tmp_path / "head")


def test_several_adapters_in_one_folder(tmp_path: Path) -> None:
    model = tiny.head_model("xlmr")
    for name in ("one", "two"):
        model.add_adapter(name, config="seq_bn")
    model.save_all_adapters(str(tmp_path / "all"))
    with pytest.raises(xlmerge.XLMergeError, match=r"(?s)no adapter here.*folder below: .*one"):
        xlmerge.load(tmp_path / "all")
