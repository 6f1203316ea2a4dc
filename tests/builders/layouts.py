"""Where the modules of a transformer lie, by model type."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FFN", "HIDDEN", "LAYERS", "MODELS", "Model"]

LAYERS = 2
HIDDEN = 8
FFN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Names of one model type.

    Attributes:
        type: As in its configuration.
        name: What folders record as the base model.
        prefix: Attribute under which a head model keeps the base model.
        layer: Key of a layer.
        attention: Query, key, value below a layer.
        intermediate: The map into the feed-forward block, which `adapters` counts as intermediate.
        output: The other one.
        after_attention: Where a bottleneck after the attention lies.
        after_ffn: Where one after the feed-forward block lies.
        model_class: Class with flexible heads.
    """

    type: str
    name: str
    prefix: str
    layer: str
    attention: dict[str, str]
    intermediate: tuple[str, int]
    output: str
    after_attention: str
    after_ffn: str
    model_class: str


def _encoder(type_: str, name: str, prefix: str, model_class: str) -> Model:
    return Model(
        type=type_,
        name=name,
        prefix=prefix,
        layer="encoder.layer.{}.",
        attention={what: f"attention.self.{what}" for what in ("query", "key", "value")},
        intermediate=("intermediate.dense", FFN),
        output="output.dense",
        after_attention="attention.output",
        after_ffn="output",
        model_class=model_class,
    )


MODELS = {
    "xlmr": _encoder("xlm-roberta", "xlm-roberta-base", "roberta.", "XLMRobertaAdapterModel"),
    "bert": _encoder("bert", "bert-base-cased", "bert.", "BertAdapterModel"),
    "llama": Model(
        type="llama",
        name="meta/llama-tiny",
        prefix="model.",
        layer="layers.{}.",
        attention={
            "query": "self_attn.q_proj",
            "key": "self_attn.k_proj",
            "value": "self_attn.v_proj",
        },
        intermediate=("mlp.down_proj", HIDDEN),
        output="mlp.up_proj",
        after_attention="attention_adapters",
        after_ffn="output_adapters",
        model_class="LlamaAdapterModel",
    ),
}
