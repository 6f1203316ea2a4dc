"""Where a key lies."""

from __future__ import annotations

from typing import Any

import pytest

from xlmerge.errors import UnsupportedAdapterError
from xlmerge_standard.architectures.layers import check_layers, check_same_sites, split_layer


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("encoder.layer.11.attention.self.query", (11, "attention.self.query")),  # XLM-R, BERT
        ("layers.3.self_attn.q_proj", (3, "self_attn.q_proj")),  # Llama
        ("model.decoder.layers.3.fc1", (3, "fc1")),  # OPT
        ("transformer.h.2.attn.c_attn", (2, "attn.c_attn")),  # GPT-2 with a head
        ("h.2.attn.c_attn", (2, "attn.c_attn")),  # without
        ("transformer.layer.4.attention.q_lin", (4, "attention.q_lin")),  # DistilBERT
        ("transformer.blocks.4.ffn.up_proj", (4, "ffn.up_proj")),  # MPT
        # The first number counts the layers, the second the parts of one.
        ("encoder.block.5.layer.0.SelfAttention.q", (5, "layer.0.SelfAttention.q")),  # T5
        ("decoder.block.5.layer.1.EncDecAttention.q", (5, "layer.1.EncDecAttention.q")),
        ("classifier.dense", (None, "classifier.dense")),
        ("embeddings.word_embeddings", (None, "embeddings.word_embeddings")),
        ("pooler.0.dense", (None, "pooler.0.dense")),
        ("with.3.dense", (None, "with.3.dense")),  # ends like `h.3.`, and is none
    ],
)
def test_layer_and_site(key: str, expected: tuple[int | None, str]) -> None:
    assert split_layer(key) == expected


def test_gaps_are_layers_left_out(header: Any) -> None:
    folder = header("adapters", {}, {})
    check_layers(folder, [0, 2, None], [1])
    check_layers(folder, [], [1])
    check_layers(folder, [0, 1], [2])  # how many layers there are is not known
    with pytest.raises(UnsupportedAdapterError, match=r"no tensors for layer 1, 3.*layer 4"):
        check_layers(folder, [0, 2, 4], None)
    with pytest.raises(UnsupportedAdapterError, match="there are tensors for layer 2"):
        check_layers(folder, [0, 2], [1, 2])


def test_layers_have_the_same_sites_within_a_stack(header: Any) -> None:
    folder = header("adapters", {}, {})
    check_same_sites(folder, ["encoder.block.0.q", "encoder.block.1.q", "decoder.block.0.k"])
    with pytest.raises(UnsupportedAdapterError, match="layer 0 has no tensors for value"):
        check_same_sites(
            folder, ["encoder.layer.0.query", "encoder.layer.1.query", "encoder.layer.1.value"]
        )
