"""Networks sit between the layers of every kind of base model, and are refused where none can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.errors import ModelError

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")

import transformers  # noqa: E402

from builders import bilevel, tiny_training  # noqa: E402
from xlmerge.runtime.tiny import tiny_tokenizer  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RATE = 0.3
SIZES: dict[str, Any] = {
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 1,
}
STEADY = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
KINDS: dict[str, Callable[[int], Any]] = {
    "bert": lambda size: transformers.BertConfig(vocab_size=size, **SIZES, **STEADY),
    "electra": lambda size: transformers.ElectraConfig(
        vocab_size=size, embedding_size=8, **SIZES, **STEADY
    ),
    "deberta_v2": lambda size: transformers.DebertaV2Config(vocab_size=size, **SIZES, **STEADY),
    "distilbert": lambda size: transformers.DistilBertConfig(
        vocab_size=size,
        dim=8,
        hidden_dim=12,
        n_layers=2,
        n_heads=2,
        max_position_embeddings=64,
        pad_token_id=1,
        dropout=0.0,
        attention_dropout=0.0,
    ),
    "gpt2": lambda size: transformers.GPT2Config(
        vocab_size=size,
        n_embd=8,
        n_layer=2,
        n_head=2,
        n_positions=64,
        pad_token_id=1,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    ),
    "llama": lambda size: transformers.LlamaConfig(vocab_size=size, num_key_value_heads=2, **SIZES),
    "albert": lambda size: transformers.AlbertConfig(
        vocab_size=size, embedding_size=8, **SIZES, **STEADY
    ),
}


def saved(kind: str, folder: Path) -> Path:
    """A random model in which everything matters."""
    tokenizer = tiny_tokenizer()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.AutoModel.from_config(KINDS[kind](len(tokenizer)))
        for parameter in model.parameters():
            parameter.data += 0.2 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("layers", [(-1,), (1,)], ids=str)
@pytest.mark.parametrize("kind", ["bert", "electra", "deberta_v2", "distilbert", "gpt2"])
def test_every_algorithm_gives_the_central_difference(
    kind: str, layers: tuple[int, ...], made: Callable[..., Any], tmp_path: Path
) -> None:
    case = made(saved(kind, tmp_path / "base"), layers=layers)
    expected = case.differences(case.looked_ahead(RATE))
    assert bilevel.flat(expected).norm() > 1e-2
    for algorithm in bilevel.ALGORITHMS:
        found = [RATE * h for h in case.hypergradient(algorithm, rate=RATE).values()]
        assert bilevel.error(found, expected) < 1e-7, algorithm


@pytest.mark.parametrize("layers", [(-1,), (1,), (0, 2)], ids=str)
@pytest.mark.parametrize("adapter", ["seq_bn", "lora"])
def test_algorithms_agree_where_norms_are_of_single_precision(
    adapter: str, layers: tuple[int, ...], made: Callable[..., Any], tmp_path: Path
) -> None:
    """LLaMA's are, whatever the model's precision."""
    case = made(saved("llama", tmp_path / "base"), layers=layers, adapter=adapter)
    expected = case.hypergradient()
    others = {"split_forward": 1e-6, "split_difference": 1e-2}
    if len(layers) == 1:
        others["forward_over_reverse"] = 1e-6
    for algorithm, tolerance in others.items():
        assert bilevel.error(case.hypergradient(algorithm), expected) < tolerance, algorithm


def test_layers_that_are_one_are_refused(tmp_path: Path, made: Callable[..., Any]) -> None:
    """A network after one of ALBERT's would be after all of them."""
    base = saved("albert", tmp_path / "base")
    with pytest.raises(ModelError, match="goes through 2 layers, but has 1 of its own"):
        made(base)
    work = tiny_training.make_training(base, tmp_path / "work", "metaxl")
    before = work.live.adapters()
    with pytest.raises(ModelError, match="goes through 2 layers"):
        tiny_training.run(work, "metaxl", steps=2, batch_size=4)
    assert work.live.adapters() == before
