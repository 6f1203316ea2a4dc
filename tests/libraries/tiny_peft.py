"""Adapters of PEFT on the same tiny models."""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any

import peft
import torch
import transformers

from . import tiny

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

MODELS: Mapping[str, Callable[[], Any]] = {
    "xlmr": lambda: transformers.XLMRobertaForSequenceClassification(_labels("xlmr")),
    "bert": lambda: transformers.BertForTokenClassification(_labels("bert")),
    "llama": lambda: transformers.LlamaForCausalLM(tiny.config_of("llama")),
}
TASKS = {"xlmr": "SEQ_CLS", "bert": "TOKEN_CLS", "llama": "CAUSAL_LM"}
ATTENTION = {
    "xlmr": ["query", "value"],
    "bert": ["query", "value"],
    "llama": ["q_proj", "v_proj"],
}
EVERYWHERE = {
    # `dense` is also a name within the head of XLM-R, which PEFT then leaves alone.
    "xlmr": ["query", "key", "value", "dense"],
    "bert": ["query", "key", "value", "dense"],
    "llama": "all-linear",
}
FEED_FORWARD = {"xlmr": "output.dense", "bert": "output.dense", "llama": "down_proj"}
PATH = {"xlmr": "layer.{}.attention.self.query", "bert": "layer.{}.attention.self.query"} | {
    "llama": "layers.{}.self_attn.q_proj"
}


def _labels(architecture: str) -> Any:
    config = tiny.config_of(architecture)
    config.num_labels = 3
    return config


def _lora(architecture: str, **more: Any) -> Any:
    settings = {"r": 2, "lora_alpha": 6, "target_modules": ATTENTION[architecture]}
    return peft.LoraConfig(**{**settings, "task_type": TASKS[architecture], **more})


def without_task(config: Any) -> Any:
    """The same without a head: PEFT cannot have two of them active."""
    config.task_type = None
    return config


def _ia3(architecture: str, *, feedforward: bool) -> Any:
    last = [FEED_FORWARD[architecture]] if feedforward else []
    return peft.IA3Config(
        target_modules=ATTENTION[architecture] + last,
        feedforward_modules=last,
        task_type=TASKS[architecture],
    )


KINDS: Mapping[str, Callable[[str], Any]] = {
    "lora": _lora,
    "lora_no_task": lambda a: _lora(a, task_type=None),
    "lora_everywhere": lambda a: _lora(a, target_modules=EVERYWHERE[a]),
    "rslora": lambda a: _lora(a, r=3, use_rslora=True),
    "patterns": lambda a: _lora(
        a,
        rank_pattern={PATH[a].format(0): 3, "^.*" + ATTENTION[a][1]: 1},
        alpha_pattern={PATH[a].format(1): 1},
    ),
    "rslora_patterns": lambda a: _lora(
        a,
        use_rslora=True,
        rank_pattern={PATH[a].format(0): 3},
        alpha_pattern={PATH[a].format(0): 5},
    ),
    "layers": lambda a: _lora(
        a, layers_to_transform=[0, 2], layers_pattern="layers" if a == "llama" else "layer"
    ),
    "ia3": lambda a: _ia3(a, feedforward=False),
    "ia3_feedforward": lambda a: _ia3(a, feedforward=True),
    "prefix": lambda a: peft.PrefixTuningConfig(task_type=TASKS[a], num_virtual_tokens=4),
    "prefix_projection": lambda a: peft.PrefixTuningConfig(
        task_type=TASKS[a], num_virtual_tokens=4, prefix_projection=True, encoder_hidden_size=6
    ),
}


def base_model(architecture: str) -> Any:
    """A model of `transformers`, with a head."""
    return tiny.seeded(MODELS[architecture])


def adapted(architecture: str, config: Any, *, seed: int, name: str = "default") -> Any:
    """A model with one adapter, with random numbers in all that is trained, the head included."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = peft.get_peft_model(base_model(architecture), config, adapter_name=name)
    fill(model, seed)
    return model.eval()


def add(model: Any, name: str, config: Any, *, seed: int) -> None:
    """A further adapter."""
    model.add_adapter(name, config)
    model.set_adapter(name)
    fill(model, seed)
    model.eval()


def fill(model: Any, seed: int) -> None:
    tiny.fill(model, [p for p in model.parameters() if p.requires_grad], seed)


def load(architecture: str, folder: Path) -> Any:
    """Load with the plain loader, and see that nothing is missing and nothing left over."""
    model = peft.PeftModel.from_pretrained(base_model(architecture), str(folder))
    again = base_model(architecture)
    again = peft.get_peft_model(again, peft.PeftConfig.from_pretrained(str(folder)))
    result = peft.set_peft_model_state_dict(again, peft.load_peft_weights(str(folder)))
    trained = {key for key in result.missing_keys if _is_trained(key)}
    assert not trained, trained
    # A prefix is put where it belongs and called unexpected all the same.
    assert set(result.unexpected_keys) <= {"prompt_embeddings"}, result.unexpected_keys
    return model.eval()


def _is_trained(key: str) -> bool:
    return any(part in key for part in ("lora_", "ia3_", "modules_to_save"))


def outputs(model: Any) -> torch.Tensor:
    """Logits, in float64, so that what is left of a difference comes from the adapters' numbers."""
    with torch.no_grad():
        return copy.deepcopy(model).eval().double()(**tiny.INPUTS).logits
