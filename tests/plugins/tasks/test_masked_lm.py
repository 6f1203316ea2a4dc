"""Masked language modelling: masks, logits, scores."""

from __future__ import annotations

import math
from typing import Any

import pytest

from xlmerge.errors import DataError, ModelError
from xlmerge_standard.tasks.masked_lm import masked_lm

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
datasets = pytest.importorskip("datasets")
pytestmark = pytest.mark.libraries

IGNORED = -100


WORDS = ("who", "lives", "here", "town")


def rows(count: int = 16) -> Any:
    """A word tells all others: they go round in a ring."""
    ring = WORDS * 4
    texts = [" ".join(ring[at % 4 :][: 5 + at % 5]) for at in range(count)]
    return datasets.Dataset.from_dict({"text": texts})


def perturbed(live: Any) -> None:
    """Zero initial values of adapters and biases would hide what is left out."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in live.model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)


@pytest.mark.parametrize("invertible", [False, True])
def test_logits_are_those_of_the_whole_head(
    invertible: bool, live: Any, tokenizer: Any, add_head: Any
) -> None:
    from adapters import SeqBnConfig, SeqBnInvConfig

    logic = masked_lm.function(mask_probability=0.4)
    config = SeqBnInvConfig(reduction_factor=2) if invertible else SeqBnConfig(reduction_factor=2)
    live.add_adapter("language", config.to_dict(), seed=0)
    add_head(logic, ())
    perturbed(live)
    batch = logic.collate(logic.encode(rows(6), tokenizer, (), training=False), tokenizer)
    where = batch["labels"] != IGNORED
    with torch.no_grad(), live.activated("language", head="head"):
        found = logic.outputs(live, batch)["logits"]
        whole = live.forward(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
        ).logits
        straight = live.head[-1](
            torch.nn.Sequential(*list(live.head)[:-1])(
                live.encode(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
            )
        )
    assert found.shape == (int(where.sum()), len(tokenizer))
    torch.testing.assert_close(found, whole[where], rtol=0, atol=1e-5)
    # The inverse is what an invertible adapter is about: leaving it out shows.
    assert ((straight - whole).abs().max() > 0.1) == invertible


def test_a_head_of_transformers_is_run_whole(tokenizer: Any) -> None:
    logits = torch.randn(2, 11, len(tokenizer))

    class Peft:
        head = None

        def forward(self, **inputs: Any) -> Any:
            assert sorted(inputs) == ["attention_mask", "input_ids"]
            return type("Output", (), {"logits": logits})

    logic = masked_lm.function(mask_probability=0.5)
    batch = logic.collate(logic.encode(rows(2), tokenizer, (), training=False), tokenizer)
    logits = logits[:, : batch["labels"].shape[1]]
    found = logic.outputs(Peft(), batch)["logits"]
    assert torch.equal(found, logits[batch["labels"] != IGNORED])


def test_the_loss_is_the_head_s(live: Any, tokenizer: Any, add_head: Any) -> None:
    logic = masked_lm.function(mask_probability=0.3)
    add_head(logic, ())
    perturbed(live)
    batch = logic.collate(logic.encode(rows(6), tokenizer, (), training=False), tokenizer)
    with torch.no_grad():
        total, count = logic.loss(logic.outputs(live, batch), batch)
        expected = live.forward(**batch).loss
    assert count == int((batch["labels"] != IGNORED).sum())
    assert float(total / count) == pytest.approx(float(expected), abs=1e-5)


def test_learns_a_toy(live: Any, tokenizer: Any, add_head: Any, fit: Any, scored: Any) -> None:
    logic, data = masked_lm.function(max_length=12, mask_probability=0.2), rows()
    add_head(logic, ())
    before = scored(logic, data, ()).metrics
    fit(logic, logic.encode(data, tokenizer, (), training=True), steps=150, rate=0.005)
    after = scored(logic, data, ()).metrics
    assert list(after) == ["perplexity", "masked_accuracy", "nll"]
    assert before["perplexity"] > 20
    # Without a look at its neighbours a word can be any of the four.
    assert after["perplexity"] < 2.5
    assert after["masked_accuracy"] > 60
    assert after["perplexity"] == pytest.approx(math.exp(after["nll"]))


def test_the_plain_library_loads_the_head(
    live: Any, tokenizer: Any, add_head: Any, loaded_elsewhere: Any
) -> None:
    logic = masked_lm.function(mask_probability=0.4)
    add_head(logic, ())
    batch = logic.collate(logic.encode(rows(3), tokenizer, (), training=False), tokenizer)
    other = loaded_elsewhere(logic)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        assert torch.equal(other(**inputs).logits, live.forward(**inputs).logits)


def test_scores_do_not_depend_on_batches(
    live: Any, tokenizer: Any, add_head: Any, scored: Any
) -> None:
    logic, data = masked_lm.function(max_length=8, mask_probability=0.4), rows()
    add_head(logic, ())
    # Texts longer than an input are read in several windows, all of which count for their row.
    assert len(logic.encode(data, tokenizer, (), training=False)) > len(data)
    one, many = scored(logic, data, (), 1), scored(logic, data, (), 7)
    assert one.statistics == pytest.approx(many.statistics, rel=1e-4)
    assert one.statistics[:, 2].sum() > 20


@pytest.fixture
def masks(tokenizer: Any) -> Any:
    """Token ids, labels and what the model reads, of many inputs."""
    logic = masked_lm.function(max_length=64)
    letters = np.random.default_rng(0).integers(4, len(tokenizer) - 1, (400, 62))
    inputs = [
        {"input_ids": [0, *ids, 2], "attention_mask": [1] * 64, "row": at, "position": at}
        for at, ids in enumerate(letters.tolist())
    ]
    batch = logic.collate(inputs, tokenizer)
    old = torch.tensor([each["input_ids"] for each in inputs])
    return old, batch["labels"], batch["input_ids"]


def test_masks_have_the_shares_of_the_paper(masks: Any, tokenizer: Any) -> None:
    old, labels, new = masks
    chosen = labels != IGNORED
    assert not chosen[:, [0, -1]].any()  # special tokens
    assert torch.equal(labels[chosen], old[chosen])
    assert torch.equal(new[~chosen], old[~chosen])
    inner = chosen[:, 1:-1]
    assert float(inner.float().mean()) == pytest.approx(0.15, abs=0.01)
    became = new[chosen]
    is_mask, same = became == tokenizer.mask_token_id, became == old[chosen]
    assert float(is_mask.float().mean()) == pytest.approx(0.8, abs=0.02)
    # A random token is sometimes the old one.
    assert float(same.float().mean()) == pytest.approx(0.1, abs=0.02)
    strangers = became[~is_mask & ~same]
    assert not set(strangers.tolist()) & set(tokenizer.all_special_ids)
    assert len(set(strangers.tolist())) > 30


def test_masks_depend_on_seed_and_position_alone(tokenizer: Any) -> None:
    logic = masked_lm.function(max_length=32, mask_probability=0.5)
    feature = {"input_ids": list(range(4, 30)), "attention_mask": [1] * 26, "row": 0}

    def drawn(*positions: int, **more: int) -> Any:
        batch = logic.collate([{**feature, "position": p, **more} for p in positions], tokenizer)
        return batch["labels"].tolist()

    torch.manual_seed(0)
    state = torch.random.get_rng_state()
    assert drawn(3, 4)[1] == drawn(4)[0] == drawn(9, 8, 4)[2]
    assert drawn(3) != drawn(4)
    assert drawn(3, mask_seed=1) != drawn(3)
    assert torch.equal(state, torch.random.get_rng_state())


def test_without_packing_each_text_is_an_input(tokenizer: Any) -> None:
    some = rows(6)
    apart = masked_lm.function(packing=False).encode(some, tokenizer, (), training=True)
    assert [feature["row"] for feature in apart] == list(range(6))
    expected = tokenizer(list(some["text"]))["input_ids"]
    assert [list(feature["input_ids"]) for feature in apart] == expected
    assert not [feature for feature in apart if "labels" in feature]
    assert len(masked_lm.function().encode(some, tokenizer, (), training=True)) < len(apart)


def test_evaluations_mask_the_same_tokens_each_time(tokenizer: Any) -> None:
    data = rows(8)
    first = masked_lm.function().encode(data, tokenizer, (), training=False)
    assert first == masked_lm.function().encode(data, tokenizer, (), training=False)
    other = masked_lm.function(seed=1).encode(data, tokenizer, (), training=False)
    assert [f["labels"] for f in first] != [f["labels"] for f in other]


def test_a_batch_without_masks_has_no_loss(live: Any, tokenizer: Any, add_head: Any) -> None:
    logic = masked_lm.function()
    add_head(logic, ())
    feature = {
        "input_ids": [0, 5, 2],
        "attention_mask": [1, 1, 1],
        "labels": [IGNORED] * 3,
        "row": 0,
    }
    batch = logic.collate([feature], tokenizer)
    outputs = logic.outputs(live, batch)
    total, count = logic.loss(outputs, batch)
    assert (float(total), count) == (0.0, 0)
    assert logic.predictions(logic.split(outputs, batch, [feature]), [feature], [0], ()) == [
        {"nll": 0.0, "hits": 0, "tokens": 0}
    ]
    assert math.isnan(logic.metrics(np.zeros(3), ())["perplexity"])


def test_an_input_for_training_needs_its_position(tokenizer: Any) -> None:
    feature = {"input_ids": [0, 5, 2], "attention_mask": [1, 1, 1], "row": 0}
    with pytest.raises(DataError, match="needs `position`"):
        masked_lm.function().collate([feature], tokenizer)


def test_texts_without_tokens_are_refused(tokenizer: Any) -> None:
    for training in (False, True):
        with pytest.raises(DataError, match=r"hold (no token|fewer than 2 tokens)"):
            masked_lm.function().encode(
                datasets.Dataset.from_dict({"text": ["", ""]}), tokenizer, (), training=training
            )


def test_a_tokenizer_without_a_mask_is_refused(tokenizer: Any) -> None:
    from transformers import PreTrainedTokenizerFast

    bare = PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer, pad_token="<pad>")
    with pytest.raises(ModelError, match="no mask token"):
        masked_lm.function().encode(rows(1), bare, (), training=False)
