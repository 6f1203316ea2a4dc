"""Language modelling from left to right."""

from __future__ import annotations

import math
from typing import Any

import pytest

from xlmerge.errors import DataError, ModelError
from xlmerge_standard.tasks.causal_lm import causal_lm

torch = pytest.importorskip("torch")
datasets = pytest.importorskip("datasets")
pytestmark = pytest.mark.libraries

IGNORED = -100
WORDS = ("who", "lives", "here", "town")


@pytest.fixture
def live(tokenizer: Any) -> Any:
    """A tiny GPT-2."""
    import adapters
    import transformers

    from xlmerge.plugin import load_registry
    from xlmerge.runtime import LiveModel

    config = transformers.GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=16,
        n_layer=2,
        n_head=2,
        n_positions=40,
        pad_token_id=1,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = adapters.GPT2AdapterModel(config)
    return LiveModel(model, tokenizer, reference="tiny", registry=load_registry([]))


def rows(count: int = 8) -> Any:
    ring = WORDS * 4
    return datasets.Dataset.from_dict(
        {"text": [" ".join(ring[at % 4 :][: 5 + at % 5]) for at in range(count)]}
    )


def test_learns_a_toy(live: Any, tokenizer: Any, add_head: Any, fit: Any, scored: Any) -> None:
    logic, data = causal_lm.function(max_length=16), rows()
    add_head(logic, ())
    before = scored(logic, data, ()).metrics
    fit(logic, logic.encode(data, tokenizer, (), training=True))
    after = scored(logic, data, ()).metrics
    assert list(after) == ["perplexity", "accuracy", "nll"]
    assert before["perplexity"] > 20
    assert after["perplexity"] < 3
    assert after["perplexity"] == pytest.approx(math.exp(after["nll"]))


def test_logits_and_loss_are_those_of_the_head(live: Any, tokenizer: Any, add_head: Any) -> None:
    logic = causal_lm.function()
    add_head(logic, ())
    batch = logic.collate(logic.encode(rows(5), tokenizer, (), training=False), tokenizer)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    gold = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, IGNORED)
    with torch.no_grad():
        outputs = logic.outputs(live, batch)
        total, count = logic.loss(outputs, batch)
        whole = live.forward(**inputs, labels=gold)
    found = outputs["logits"]
    torch.testing.assert_close(found, whole.logits[batch["labels"] != IGNORED], rtol=0, atol=1e-6)
    assert count == int((gold[:, 1:] != IGNORED).sum())
    assert float(total / count) == pytest.approx(float(whole.loss), abs=1e-5)


def test_long_rows_take_several_windows(
    live: Any, tokenizer: Any, add_head: Any, scored: Any
) -> None:
    logic, data = causal_lm.function(max_length=8), rows()
    add_head(logic, ())
    statistics = scored(logic, data, ()).statistics
    # Each input begins with a special token, which nothing is asked before: all words and the
    # end of each input are.
    lengths = [len(text.split()) for text in data["text"]]
    assert statistics[:, 2].tolist() == [n + math.ceil(n / 6) for n in lengths]


def test_a_model_that_reads_both_ways_is_refused(tokenizer: Any) -> None:
    import adapters
    import transformers

    config = transformers.XLMRobertaConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    with pytest.raises(ModelError, match="xlm-roberta reads in both directions"):
        causal_lm.function().prepare(adapters.XLMRobertaAdapterModel(config))


def test_texts_without_tokens_are_refused(tokenizer: Any) -> None:
    with pytest.raises(DataError, match="hold no token"):
        causal_lm.function().encode(
            datasets.Dataset.from_dict({"text": [""]}), tokenizer, (), training=False
        )
