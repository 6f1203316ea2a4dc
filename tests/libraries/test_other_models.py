"""LoRA and (IA)³ of PEFT on models of other layouts: GPT-2, whose maps lie transposed, and T5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytestmark = [
    pytest.mark.libraries,
    # PEFT sees that GPT-2's maps lie transposed, and says that it corrected the setting.
    pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to False"),
]
torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

import xlmerge  # noqa: E402

from . import tiny, tiny_peft  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

MODELS = {
    "gpt2": lambda: transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=50, n_embd=16, n_layer=2, n_head=2, n_positions=20)
    ),
    "t5": lambda: transformers.T5ForConditionalGeneration(
        transformers.T5Config(
            vocab_size=50,
            d_model=16,
            d_kv=8,
            d_ff=24,
            num_layers=2,
            num_heads=2,
            decoder_start_token_id=0,
        )
    ),
}
TARGETS = {"gpt2": ["c_attn", "c_proj"], "t5": ["q", "v", "wo"]}
FEEDFORWARD = {"gpt2": ["c_proj"], "t5": ["wo"]}


def _adapted(model: str, kind: str, seed: int) -> Any:
    if kind == "lora":
        config = peft.LoraConfig(r=2, lora_alpha=6, target_modules=TARGETS[model])
    else:
        config = peft.IA3Config(
            target_modules=TARGETS[model], feedforward_modules=FEEDFORWARD[model]
        )
    adapted = peft.get_peft_model(tiny.seeded(MODELS[model]), config)
    tiny_peft.fill(adapted, seed)
    return adapted.eval()


def _logits(model: Any) -> Any:
    more = (
        {"decoder_input_ids": tiny.INPUTS["input_ids"]} if model.config.is_encoder_decoder else {}
    )
    with torch.no_grad():
        return model.double()(**tiny.INPUTS, **more).logits


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", ["lora", "ia3"])
def test_merges_and_their_layers(model: str, kind: str, tmp_path: Path) -> None:
    for seed, name in enumerate(("one", "two"), start=1):
        _adapted(model, kind, seed).save_pretrained(str(tmp_path / name))
    with xlmerge.load(tmp_path / "one") as state:
        assert {parameter.layer for parameter in state.parameters.values()} == {0, 1}
    one, two = (peft.load_peft_weights(str(tmp_path / name)) for name in ("one", "two"))
    weights = [{"layers.1": 0.25, "default": 0.5}, {"layers.1": 0.75, "default": 0.5}]
    out = tiny.merge("linear", [tmp_path / "one", tmp_path / "two"], weights, tmp_path / "out")

    merged = peft.PeftModel.from_pretrained(tiny.seeded(MODELS[model]), str(out)).eval()
    expected = tiny.seeded(MODELS[model])
    state = expected.state_dict()
    for key in one:
        second = ".1." in key.partition("layer.")[0]  # T5 counts the parts of a layer too
        share = 0.25 if second else 0.5
        if kind == "lora" and "lora_A" in key:
            up = key.replace("lora_A", "lora_B")
            delta = 3 * (share * one[up] @ one[key] + (1 - share) * two[up] @ two[key])
            path = key.removeprefix("base_model.model.").replace("lora_A.", "")
            state[path] += delta.T if model == "gpt2" else delta
    if kind == "lora":
        expected.load_state_dict(state)
        tiny.close(_logits(merged), _logits(expected), 1e-5)
    else:
        found = peft.load_peft_weights(str(out))
        for key, vector in found.items():
            share = 0.25 if ".1." in key.partition("layer.")[0] else 0.5
            tiny.close(vector, share * one[key] + (1 - share) * two[key])
        assert torch.isfinite(_logits(merged)).all()
