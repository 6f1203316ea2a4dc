"""What xlmerge refuses to merge, made by the libraries that allow it, and what it says.

A list to read: each row is something a user may have, with the words they get.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")
peft = pytest.importorskip("peft")

from adapters import configuration as configs  # noqa: E402, TID253

import xlmerge  # noqa: E402

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
    with pytest.raises(xlmerge.errors.UnsupportedAdapterError, match=message):
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
    with pytest.raises(xlmerge.errors.UnsupportedAdapterError, match=message):
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


def _saved(kind: str, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A good adapter, its configuration and its tensors, to be spoilt."""
    model = tiny.head_model("xlmr")
    tiny.add_adapter(model, "mine", tiny.KINDS[kind](), seed=1)
    model.save_adapter(str(folder), "mine")
    config = json.loads((folder / "adapter_config.json").read_text())
    return config, torch.load(folder / "pytorch_adapter.bin", weights_only=True)


def _without(part: str) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    def spoil(_: dict[str, Any], tensors: dict[str, Any]) -> None:
        found = [key for key in tensors if part in key]
        assert found
        for key in found:
            del tensors[key]

    return spoil


def _setting(key: str, value: object) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    def spoil(config: dict[str, Any], _: dict[str, Any]) -> None:
        config["config"][key] = value

    return spoil


def _extra_tensor(_: dict[str, Any], tensors: dict[str, Any]) -> None:
    tensors["roberta.encoder.layer.0.output.adapters.mine.surprise"] = torch.ones(2)


def _wider_second_layer(_: dict[str, Any], tensors: dict[str, Any]) -> None:
    stem = "roberta.encoder.layer.2.output.adapters.mine"
    tensors[f"{stem}.adapter_down.0.weight"] = torch.ones(5, tiny.HIDDEN)
    tensors[f"{stem}.adapter_down.0.bias"] = torch.ones(5)
    tensors[f"{stem}.adapter_up.weight"] = torch.ones(tiny.HIDDEN, 5)


DAMAGE = {
    "the coupling is missing": (
        "seq_bn_inv",
        _without("invertible"),
        "declares an invertible adapter.*none of its 8 tensors",
    ),
    "half of the coupling is missing": (
        "seq_bn_inv",
        _without(".G."),
        "the invertible adapter lacks invertible_adapters.G.0.weight",
    ),
    "the coupling is of another size": (
        "seq_bn_inv",
        _setting("inv_adapter_reduction_factor", 4),
        r"F.0.weight: expected shape \(2, 8\), found \(4, 8\)",
    ),
    "a coupling that is not declared": (
        "seq_bn_inv",
        _setting("inv_adapter", None),
        "coupling networks of a NICE adapter; the configuration says `inv_adapter: None`",
    ),
    "a layer is missing": (
        "seq_bn_inv",
        _without("layer.1."),
        "no tensors for layer 1, though there are some for layer 2",
    ),
    "a layer is there that was left out": (
        "seq_bn_inv",
        _setting("leave_out", [1]),
        r"`leave_out` is \[1\], but there are tensors for layer 1",
    ),
    "a bias is missing": (
        "seq_bn_inv",
        _without("layer.1.output.adapters.mine.adapter_up.bias"),
        "layer 1, output lacks adapter_up.bias",
    ),
    "a layer of another width": (
        "seq_bn_inv",
        _wider_second_layer,
        "layer 2, output: the configuration gives a bottleneck of 8 units, the tensors have 5",
    ),
    "no attention adapters": (
        "double_seq_bn",
        _without("attention."),
        "declares attention adapters; the file has none",
    ),
    "attention adapters not declared": (
        "double_seq_bn",
        _setting("mh_adapter", False),
        "the file has attention adapters; the configuration declares none",
    ),
    "no activation": ("seq_bn", _setting("non_linearity", None), "does not say `non_linearity`"),
    "an unknown setting": (
        "seq_bn",
        _setting("use_surprise", True),
        "no architecture understands the setting use_surprise: True",
    ),
    "an unknown method": (
        "seq_bn",
        _setting("architecture", "surprise"),
        r"8 of 8 tensors are covered by no architecture.*surprise",
    ),
    "an unknown tensor": ("seq_bn_inv", _extra_tensor, r"adapters\.\{name\}\.surprise"),
    "half of a LoRA": (
        "lora",
        _without("layer.1.attention.self.query.loras.mine.lora_B"),
        "layer.1.attention.self.query has lora_A without its partner",
    ),
    "a matrix of LoRA is missing": (
        "lora",
        _without("layer.1.attention.self.query"),
        "layer 1 has no tensors for attention.self.query, which other layers have",
    ),
    "another rank": (
        "lora",
        _setting("r", 3),
        r"the configuration gives rank 3, A has shape \(2, 16\) and B \(16, 2\)",
    ),
    "no alpha": ("lora", _setting("alpha", None), "LoRA needs `r` and `alpha`"),
    "a vector of (IA)³ is missing": (
        "ia3",
        _without("layer.1.attention.self.key"),
        "layer 1 has no tensors for attention.self.key",
    ),
    "(IA)³ of a scale of 0": ("ia3", _setting("alpha", 0), "an alpha other than 0"),
    "a prefix without its tensor": (
        "prefix_flat",
        _without("prefix_tuning.prefix_tunings"),
        "a flat prefix needs",
    ),
    "a prefix network without a layer": (
        "prefix",
        _without("control_trans.2.bias"),
        "a reparametrised prefix needs .*control_trans.2.bias",
    ),
    "a flat prefix that is none": ("prefix", _setting("flat", True), "a flat prefix needs"),
    "a prefix of another length": (
        "prefix_flat",
        _setting("prefix_length", 7),
        "256 numbers do not divide into 7 rows",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_and_contradictory_adapters(damage: str, tmp_path: Path) -> None:
    kind, spoil, message = DAMAGE[damage]
    folder = tmp_path / "mine"
    config, tensors = _saved(kind, folder)
    spoil(config, tensors)
    (folder / "adapter_config.json").write_text(json.dumps(config))
    torch.save(tensors, folder / "pytorch_adapter.bin")
    with pytest.raises(xlmerge.XLMergeError, match=message):
        xlmerge.load(folder)


def _stored_as(dtype: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    def spoil(_: dict[str, Any], tensors: dict[str, Any]) -> None:
        for key, tensor in tensors.items():
            tensors[key] = tensor.to(dtype)

    return spoil


@pytest.mark.parametrize("dtype", ["int8", "int32", "float8_e4m3fn"])
def test_quantised_tensors(dtype: str, tmp_path: Path) -> None:
    """Numbers without their scales mean nothing."""
    folder = tmp_path / "mine"
    _, tensors = _saved("lora", folder)
    _stored_as(getattr(torch, dtype))({}, tensors)
    torch.save(tensors, folder / "pytorch_adapter.bin")
    with pytest.raises(xlmerge.XLMergeError, match=rf"stored as {dtype}|not quantised"):
        tiny.merge("linear", [folder], [1.0], tmp_path / "out")
    assert not (tmp_path / "out").exists()


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
    tiny_peft.adapted("xlmr", _lora()(), seed=1).save_pretrained(str(tmp_path / "two"))
    with pytest.raises(xlmerge.XLMergeError, match="one is a folder of adapters, two of peft"):
        tiny.merge("linear", [tmp_path / "one", tmp_path / "two"], [0.5, 0.5], tmp_path / "out")
