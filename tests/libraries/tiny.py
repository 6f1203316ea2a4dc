"""Random models of a few thousand parameters, and adapters on them, made by the plain libraries.

A model gets the same weights whenever it is built, with a head or without: what an adapter does can
be compared between a model it was made in and one it is loaded into.
"""

from __future__ import annotations

import warnings
import zlib
from typing import TYPE_CHECKING, Any

import adapters
import adapters.configuration as configs
import torch
import transformers

import xlmerge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

LAYERS, HIDDEN, VOCABULARY = 3, 16, 50
_SHARED = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "intermediate_size": 24,
    "attn_implementation": "eager",  # `adapters` mends prefixes of Llama for this one only
}
_CONFIGS: Mapping[str, Callable[[], Any]] = {
    "xlmr": lambda: transformers.XLMRobertaConfig(
        **_SHARED, num_attention_heads=2, max_position_embeddings=40, pad_token_id=1
    ),
    "roberta": lambda: transformers.RobertaConfig(
        **_SHARED, num_attention_heads=2, max_position_embeddings=40, pad_token_id=1
    ),
    "bert": lambda: transformers.BertConfig(**_SHARED, num_attention_heads=2),
    # Two queries share a key and a value, which are 8 wide beside the model's 16.
    "llama": lambda: transformers.LlamaConfig(
        **_SHARED, num_attention_heads=4, num_key_value_heads=2, pad_token_id=1
    ),
}
ARCHITECTURES = tuple(_CONFIGS)
_CLASSES = {"xlmr": "XLMRoberta", "roberta": "Roberta", "bert": "Bert", "llama": "Llama"}

INPUTS = {
    "input_ids": torch.tensor([[5, 9, 13, 21, 34, 8], [7, 3, 2, 44, 1, 1]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]]),
}

KINDS: Mapping[str, Callable[[], Any]] = {
    "seq_bn": lambda: configs.SeqBnConfig(reduction_factor=4, leave_out=[1]),
    "seq_bn_inv": lambda: configs.SeqBnInvConfig(reduction_factor=2),
    "double_seq_bn": lambda: configs.DoubleSeqBnConfig(reduction_factor=4),
    "double_seq_bn_inv": lambda: configs.DoubleSeqBnInvConfig(
        reduction_factor={"1": 2, "default": 4}
    ),
    "par_bn": lambda: configs.ParBnConfig(reduction_factor=2),
    "lora": lambda: configs.LoRAConfig(r=2, alpha=6, leave_out=[0]),
    "lora_all": lambda: configs.LoRAConfig(
        r=3, alpha=8, attn_matrices=["q", "k", "v"], intermediate_lora=True, output_lora=True
    ),
    "ia3": configs.IA3Config,
    "ia3_alpha": lambda: configs.IA3Config(alpha=2, attn_matrices=["q", "v"], output_lora=True),
    "prefix_flat": lambda: configs.PrefixTuningConfig(flat=True, prefix_length=4, leave_out=[1]),
    "prefix": lambda: configs.PrefixTuningConfig(prefix_length=4, bottleneck_size=5, leave_out=[0]),
}
SHARES_TENSORS = ("prefix_flat", "prefix")  # kinds that `adapters` cannot save as safetensors


def config_of(architecture: str) -> Any:
    """A fresh configuration: two models built from one object would share their heads."""
    return _CONFIGS[architecture]()


def seeded(make: Callable[[], Any]) -> Any:
    """A model in which a weight depends on nothing but its name in the base model.

    Larger than the usual, so that everything in it matters.
    """
    model = make()
    prefix = f"{model.base_model_prefix}."
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                seed = zlib.crc32(name.removeprefix(prefix).encode())
                generator = torch.Generator().manual_seed(seed)
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model.eval()


def head_model(architecture: str) -> Any:
    """A model of `adapters` with flexible heads."""
    kind = getattr(adapters, f"{_CLASSES[architecture]}AdapterModel")
    return seeded(lambda: kind(config_of(architecture)))


def bare_model(architecture: str) -> Any:
    """The base model alone, with adapter support."""
    kind = getattr(transformers, f"{_CLASSES[architecture]}Model")
    model = seeded(lambda: kind(config_of(architecture)))
    adapters.init(model)
    return model


def add_adapter(
    model: Any, name: str, config: Any, *, seed: int, labels: int | None = None
) -> None:
    """A new adapter with random numbers in all its tensors, and a head called like it."""
    before = {id(parameter) for parameter in model.parameters()}
    model.add_adapter(name, config=config)
    if labels is not None:
        model.add_classification_head(name, num_labels=labels, overwrite_ok=True)
    fill(model, [p for p in model.parameters() if id(p) not in before], seed)


def fill(model: Any, parameters: Sequence[torch.Tensor], seed: int) -> None:
    """Random numbers: an adapter as it is made does nothing."""
    generator = torch.Generator().manual_seed(seed)
    scale = 0.4
    with torch.no_grad():
        for parameter in parameters:
            noise = torch.randn(parameter.shape, generator=generator) * scale
            # (IA)³ is made of ones, everything else of small numbers around zero.
            parameter.copy_(noise + 1 if bool((parameter == 1).all()) else noise)


def outputs(model: Any, name: str | None = None, **inputs: Any) -> torch.Tensor:
    """Logits, or the last hidden states of a model without a head, with one adapter active."""
    if name is not None:
        model.set_active_adapters(name)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = model.eval()(**{**INPUTS, **inputs})
    return (found.logits if "logits" in found else found.last_hidden_state).clone()


def load(model: Any, folder: Path, **how: Any) -> str:
    """Load with the plain loader, and see that nothing is missing and nothing left over."""
    info: dict[str, Any] = {}
    how.setdefault("use_safetensors", (folder / "adapter.safetensors").exists())
    name = model.load_adapter(str(folder), loading_info=info, **how)
    assert not info.get("missing_keys"), info
    assert not info.get("unexpected_keys"), info
    return str(name)


def merge(
    method: str, folders: Sequence[Path], weights: Sequence[float] | None, out: Path, **more: Any
) -> Path:
    """Merge by the Python interface; the output's folder."""
    result = xlmerge.merge(
        method, [str(folder) for folder in folders], weights=weights, output=out, **more
    )
    return result.folder


def close(got: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-6) -> None:
    """Equal within a share of the largest entry."""
    largest = float(expected.abs().max())
    assert largest > 1e-2, "an output that is nearly zero shows nothing"
    torch.testing.assert_close(got, expected, rtol=0, atol=tolerance * max(largest, 1))
