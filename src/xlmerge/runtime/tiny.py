# ruff: noqa: S106 - names of tokens are no passwords
"""A random model of a few thousand parameters with a tokenizer of letters, for tests of plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from adapters import GPT2AdapterModel, XLMRobertaAdapterModel
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import GPT2Config, PreTrainedTokenizerFast, XLMRobertaConfig

from xlmerge.runtime.live import LiveModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xlmerge.plugin.registry import Registry

__all__ = ["tiny_model", "tiny_rows", "tiny_tokenizer"]

_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
_LONGEST = 258
_SPREAD = 0.3  # larger than the usual, so that everything in the model matters


def tiny_tokenizer() -> Any:
    """A fast tokenizer framed like XLM-R's, a token for each printable ASCII character."""
    letters = [chr(code) for code in range(33, 127)]
    pieces = [(token, 0.0) for token in _SPECIAL]
    pieces += [(letter, -1.0) for letter in ["▁", *letters]]
    backend = Tokenizer(models.Unigram([*pieces, ("<mask>", 0.0)], unk_id=3))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )


def tiny_model(
    registry: Registry,
    *,
    layers: int = 3,
    hidden: int = 16,
    causal: bool = False,
    attention: str | None = None,
    seed: int = 0,
) -> LiveModel:
    """A random model without dropout, so that what is computed twice is the same.

    Args:
        registry: Architectures, some of which have to be installed.
        layers: Transformer layers.
        hidden: Width, even.
        causal: Whether it reads from left to right (GPT-2) and not in both directions (XLM-R).
        attention: Attention implementation; the library's choice if None.
        seed: Of its weights; the global random state is left as it was.
    """
    tokenizer = tiny_tokenizer()
    kind, config = (_gpt2 if causal else _xlm_roberta)(len(tokenizer), layers, hidden, attention)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = kind(config)
    return LiveModel(model, tokenizer, reference="a tiny random model", registry=registry)


def _xlm_roberta(vocabulary: int, layers: int, hidden: int, attention: str | None) -> Any:
    config = XLMRobertaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * hidden,
        max_position_embeddings=_LONGEST + 2,
        pad_token_id=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=_SPREAD,
        attn_implementation=attention,
    )
    return XLMRobertaAdapterModel, config


def _gpt2(vocabulary: int, layers: int, hidden: int, attention: str | None) -> Any:
    config = GPT2Config(
        vocab_size=vocabulary,
        n_embd=hidden,
        n_layer=layers,
        n_head=2,
        n_positions=_LONGEST,
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=1,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        resid_pdrop=0.0,
        initializer_range=_SPREAD,
        attn_implementation=attention,
    )
    return GPT2AdapterModel, config


def tiny_rows(rows: Sequence[Mapping[str, Any]]) -> Dataset:
    """Rows as tasks get them."""
    return Dataset.from_list([dict(row) for row in rows])
