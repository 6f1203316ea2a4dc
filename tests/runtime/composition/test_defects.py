"""What `adapters` 1.3.0 computes wrong at run time, and beside it what xlmerge does instead.

Merging has its own in tests/libraries. Each guard fails when the library is repaired.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
adapters = pytest.importorskip("adapters")

import transformers  # noqa: E402
from adapters import AdapterSetup  # noqa: E402
from adapters.composition import Average, Parallel, Stack  # noqa: E402
from adapters.configuration import (  # noqa: E402
    ParBnConfig,
    PromptTuningConfig,
    SeqBnConfig,
    SeqBnInvConfig,
)

from libraries import tiny  # noqa: E402
from libraries.defects import known_defect  # noqa: E402
from xlmerge.errors import CompositionError, ModelError  # noqa: E402
from xlmerge.plugin.trees import parse_tree  # noqa: E402
from xlmerge.runtime import LiveModel  # noqa: E402
from xlmerge.runtime.base_model import find_base, load_adapter_model  # noqa: E402
from xlmerge.runtime.composing import compose  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]


@torch.no_grad()
def hidden(model: Any, block: Any) -> Any:
    """Last hidden states by the plain library."""
    model.set_active_adapters(block)
    return model.eval().base_model(**tiny.INPUTS).last_hidden_state.clone()


@pytest.fixture
def library(kept: dict[str, Path]) -> Any:
    """A model of the plain library with all adapters of the folders."""
    model = tiny.head_model("xlmr")
    for folder in kept.values():
        model.load_adapter(str(folder), with_head=False)
    return model


@pytest.fixture
def states(live: Any, kept: dict[str, Path], registry: Any) -> Any:
    """Last hidden states of a tree, by xlmerge."""

    @torch.no_grad()
    def computing(tree: Any) -> Any:
        with compose(live, parse_tree(tree), kept, registry):
            return live.encode(**tiny.INPUTS).clone()

    return computing


# --- models ------------------------------------------------------------------------------------

_INTERFACE = {
    "adapter_methods": ["bottleneck"],
    "model_embeddings": "embeddings",
    "model_layers": "encoder.layer",
    "layer_self_attn": "attention",
    "layer_cross_attn": None,
    "attn_k_proj": "self.key",
    "attn_q_proj": "self.query",
    "attn_v_proj": "self.value",
    "attn_o_proj": "output.dense",
    "layer_intermediate_proj": "intermediate.dense",
    "layer_output_proj": "output.dense",
    "layer_pre_self_attn": "attention",
    "layer_pre_ffn": "intermediate",
    "layer_ln_1": "attention.output.LayerNorm",
    "layer_ln_2": "output.LayerNorm",
}


def test_b1_models_by_the_plug_in_interface(tmp_path: Path) -> None:
    """Every layer's bottleneck gets the layer norm of the last one."""
    base = transformers.XLMRobertaModel(tiny.config_of("xlmr"))
    generator = torch.Generator().manual_seed(1)
    for layer in base.encoder.layer:  # norms that differ, as those of trained models do
        torch.nn.init.uniform_(layer.output.LayerNorm.weight, 0.5, 1.5, generator=generator)

    def model(interface: Any) -> Any:
        made = transformers.XLMRobertaModel(tiny.config_of("xlmr"))
        made.load_state_dict(base.state_dict())
        adapters.init(made, interface=interface)
        tiny.add_adapter(made, "par", ParBnConfig(reduction_factor=4), seed=1)
        tiny.add_adapter(made, "seq", SeqBnConfig(reduction_factor=4), seed=2)
        return made

    native, plugged = model(None), model(adapters.AdapterModelInterface(**_INTERFACE))
    tiny.close(hidden(plugged, "par"), hidden(native, "par"))  # the rest is alike
    with known_defect("B1: seq_bn by the plug-in interface (adapters 1.3.0)"):
        tiny.close(hidden(plugged, "seq"), hidden(native, "seq"))

    config = {"model_type": "rembert", "architectures": ["RemBertModel"]}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ModelError, match="no built-in support for models of type 'rembert'"):
        load_adapter_model(find_base(str(tmp_path), tmp_path))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A saved masked language model whose output bias is not zero."""
    model = tiny.seeded(lambda: transformers.XLMRobertaForMaskedLM(tiny.config_of("xlmr")))
    torch.nn.init.normal_(model.lm_head.bias, generator=torch.Generator().manual_seed(1))
    model.save_pretrained(tmp_path / "base")
    return tmp_path / "base"


@pytest.fixture
def language_model(checkpoint: Path, registry: Any) -> LiveModel:
    model = load_adapter_model(find_base(str(checkpoint), checkpoint))
    return LiveModel(model, None, reference="tiny", registry=registry)


@torch.no_grad()
def test_b2_the_inverse_before_the_output_embeddings(
    checkpoint: Path, language_model: LiveModel, kept: dict[str, Path], registry: Any
) -> None:
    """B2, D10: a static head gets no inverse; xlmerge has flexible heads only."""
    static = transformers.XLMRobertaForMaskedLM.from_pretrained(checkpoint)
    adapters.init(static)
    static.load_adapter(str(kept["lang_a"]), load_as="a", with_head=False, set_active=True)
    states = static.eval().roberta(**tiny.INPUTS).last_hidden_state
    trunk = static.lm_head.layer_norm(torch.nn.functional.gelu(static.lm_head.dense(states)))
    expected = static.lm_head.decoder(static.roberta.invertible_adapters["a"](trunk, rev=True))
    with known_defect("B2, D10: static heads apply the inverse (adapters 1.3.0)"):
        tiny.close(static(**tiny.INPUTS).logits, expected)
    with compose(language_model, parse_tree("lang_a"), kept, registry, head="default") as forward:
        tiny.close(forward(dict(tiny.INPUTS)).logits, expected)


@torch.no_grad()
def test_b2b_the_bias_of_the_language_model(checkpoint: Path, language_model: Any) -> None:
    expected = transformers.XLMRobertaForMaskedLM.from_pretrained(checkpoint)(**tiny.INPUTS).logits
    theirs = adapters.AutoAdapterModel.from_pretrained(checkpoint).eval()
    with known_defect("B2b: conversion to a flexible head keeps the bias (adapters 1.3.0)"):
        tiny.close(theirs(**tiny.INPUTS).logits, expected)
    with language_model.activated(None, head="default"):
        tiny.close(language_model.forward(**tiny.INPUTS).logits, expected)


def test_models_of_one_configuration(live: Any) -> None:
    """They share their heads; xlmerge's twin for PEFT has a configuration of its own."""
    from xlmerge.runtime.twin import twin_of

    config = tiny.config_of("xlmr")
    one, two = (adapters.XLMRobertaAdapterModel(config) for _ in range(2))
    one.add_classification_head("mine", num_labels=3)
    with known_defect("two models of one configuration have their own heads (adapters 1.3.0)"):
        assert "mine" not in two.config.prediction_heads
    live.add_head("mine", one.heads["mine"].config | {"head_type": "classification"})
    twin = twin_of(live.model, None, None)
    assert not getattr(twin.config, "prediction_heads", {})
    assert "mine" in live.model.config.prediction_heads


def test_b12_generation_with_a_cache() -> None:
    """Wrong tokens for Llama; xlmerge generates nothing."""
    model = tiny.head_model("llama")
    model.add_causal_lm_head("lm")
    tiny.fill(model, [p for p in model.heads["lm"].parameters() if p.ndim > 1], seed=1)
    inputs = {key: tensor[:1] for key, tensor in tiny.INPUTS.items()}
    how = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": 1, "eos_token_id": None}
    expected = model.generate(**inputs, use_cache=False, **how)
    with known_defect("B12: Llama generates with a cache (adapters 1.3.0)"):
        assert torch.equal(model.generate(**inputs, use_cache=True, **how), expected)


# --- compositions ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["plain_a", "lora_a"])
def test_b4_the_average_of_an_adapter_and_itself(name: str, library: Any, states: Any) -> None:
    """B4, D9: it divides twice."""
    expected = hidden(library, name)
    tiny.close(states({"average": [name, name]}), expected)
    with known_defect("B4, D9: Average is the mean (adapters 1.3.0)"):
        tiny.close(hidden(library, Average(name, name)), expected)


@pytest.mark.parametrize("weights", [[0.5, 0.5], [0.25, 0.75]])
def test_b5_stacks_within_an_average(weights: list[float], library: Any, states: Any) -> None:
    """The layer norm before the stack is applied twice."""
    stack = {"stack": ["plain_a", "task"]}
    expected = hidden(library, Stack("plain_a", "task"))
    shares = [2 * w for w in weights]
    block = Average(
        Stack("plain_a", "task"),
        Stack("plain_a", "task"),
        weights=shares,
        normalize_weights=False,
    )
    with known_defect("B5: a stack within an average (adapters 1.3.0)"):
        tiny.close(hidden(library, block), expected)
    with pytest.raises(CompositionError, match="takes single adapters") as error:
        states({"average": [stack, stack], "weights": weights})
    assert "ensemble" in str(error.value)


@pytest.mark.parametrize("block", ["average", "parallel", "fuse", "batch_split", "split"])
def test_b6_invertible_adapters_beside_each_other(block: str, library: Any, states: Any) -> None:
    """B6, D12: all of them get the first one's."""
    expected = hidden(library, "lang_b")
    both = hidden(library, Parallel("lang_a", "lang_b"))
    tiny.close(both[:2], hidden(library, "lang_a"))
    with known_defect("B6, D12: each channel has its own invertible adapter (adapters 1.3.0)"):
        tiny.close(both[2:], expected)
    weighted = {"batch_split": {"lang_a": 1, "lang_b": 1}, "split": {"lang_a": 3, "lang_b": 3}}
    with pytest.raises(CompositionError, match="cannot take lang_a, lang_b"):
        states({block: weighted.get(block, ["lang_a", "lang_b"])})
    tiny.close(states("lang_b"), expected)


def test_b6_a_language_on_top_of_a_task(library: Any, states: Any) -> None:
    """Nothing is left of its invertible adapter, without a word."""
    block = Stack("task", "lang_a")
    with_it = hidden(library, block)
    library.base_model.delete_invertible_adapter("lang_a")
    with known_defect("B6: the second of a stack has its invertible adapter (adapters 1.3.0)"):
        assert not torch.equal(hidden(library, block), with_it)
    with pytest.raises(CompositionError, match="effect only on the first of a stack"):
        states({"stack": ["task", "lang_a"]})


@torch.no_grad()
def test_b7_activation_by_context(
    language_model: LiveModel, kept: dict[str, Path], registry: Any
) -> None:
    """B7, D11: the head takes the inverse of what is set, not of the context."""
    with compose(language_model, parse_tree("lang_a"), kept, registry, head="default") as forward:
        ours = forward(dict(tiny.INPUTS)).logits.clone()
    model = language_model.model
    for name in ("lang_a", "lang_b"):
        model.load_adapter(str(kept[name]), with_head=False)
    model.set_active_adapters("lang_a")
    model.active_head = "default"
    expected = model(**tiny.INPUTS).logits
    tiny.close(ours, expected)
    model.set_active_adapters("lang_b")
    model.active_head = "default"
    with (
        AdapterSetup("lang_a", head_setup="default"),
        known_defect("B7, D11: the context counts (adapters 1.3.0)"),
    ):
        tiny.close(model(**tiny.INPUTS).logits, expected)


def test_b8_training_of_nested_blocks(library: Any) -> None:
    with known_defect("B8: train_adapter of a nested block (adapters 1.3.0)", TypeError):
        library.train_adapter(Stack(Average("plain_a", "plain_b"), "task"))


def test_b9_low_rank_stacks(library: Any, states: Any) -> None:
    """A product of both; where the shapes differ it crashes."""
    added = states({"add": ["lora_a", "lora_b"]})
    with known_defect(
        "B9: a stack of LoRA is a sum (adapters 1.3.0)", AssertionError, RuntimeError
    ):
        tiny.close(hidden(library, Stack("lora_a", "lora_b")), added)
    with pytest.raises(CompositionError, match="multiplies") as error:
        states({"stack": ["lora_a", "lora_b"]})
    assert "`add`" in str(error.value)


def test_b10_glow(registry: Any, live: Any, tmp_path: Path) -> None:
    model = tiny.head_model("xlmr")
    tiny.add_adapter(model, "glow", SeqBnInvConfig(inv_adapter="glow"), seed=1)
    model.save_adapter(str(tmp_path), "glow")
    with known_defect("B10: GLOW runs (adapters 1.3.0)", RuntimeError, TypeError, AttributeError):
        hidden(model, "glow")
    with (
        pytest.raises(CompositionError, match="kind `glow`"),
        compose(live, parse_tree("language"), {"language": tmp_path}, registry),
    ):
        pass


def test_b11_soft_prompts_under_another_name(registry: Any, live: Any, tmp_path: Path) -> None:
    model = tiny.head_model("xlmr")
    tiny.add_adapter(model, "prompt", PromptTuningConfig(prompt_length=3), seed=1)
    model.save_adapter(str(tmp_path), "prompt")
    model.load_adapter(str(tmp_path), load_as="other")
    with known_defect("B11: prompts are loaded under another name (adapters 1.3.0)"):
        tunings = model.base_model.prompt_tuning.prompt_tunings
        one, other = (tunings[name].prompt_embedding.weight for name in ("prompt", "other"))
        assert torch.equal(one, other)
    with (
        pytest.raises(CompositionError, match="soft prompts"),
        compose(live, parse_tree("prompt"), {"prompt": tmp_path}, registry),
    ):
        pass


def test_a_block_without_its_adapters(library: Any, states: Any) -> None:
    """An average in a stack asks for its adapters where another of the stack sits."""
    cut = Average("cut", "cut", weights=[1, 1], normalize_weights=False)
    with known_defect("blocks pass over layers they are not in (adapters 1.3.0)", KeyError):
        hidden(library, Stack(cut, "task"))
    with pytest.raises(CompositionError, match="has no part of cut here") as error:
        states({"stack": [{"average": ["cut", "cut"]}, "task"]})
    assert "leave the same layers out" in str(error.value)


def test_d3_adapters_and_weights_in_one(library: Any) -> None:
    """Its documentation offers a mapping; `xlmerge.merge` takes one."""
    with known_defect("D3: average_adapter of a mapping (adapters 1.3.0)", KeyError):
        library.average_adapter("both", {"plain_a": 0.5, "cut": 0.5})


# --- calls that are never made -----------------------------------------------------------------

_NEVER = {
    "train_adapter": "B8, and it leaves heads and later adapters trainable",
    "train_adapter_fusion": "as train_adapter",
    "average_adapter": "D1 to D8",
    "AdapterSetup": "B7, D11",
    "merge_adapter": "wrong for DoRA and (IA)³ with biases",
    "generate": "B12",
}


def _calls() -> Iterator[tuple[Path, str]]:
    for folder in ("src", "plugins"):
        for path in (ROOT / folder).rglob("*.py"):
            for match in re.finditer(r"\b([A-Za-z_]+)\(", path.read_text(encoding="utf-8")):
                yield path, match[1]


def test_what_is_never_called() -> None:
    found = {(path.name, name) for path, name in _calls() if name in _NEVER}
    assert not found
