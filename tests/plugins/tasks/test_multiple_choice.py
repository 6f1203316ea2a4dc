"""Choices: inputs, COPA's questions, scores."""

from __future__ import annotations

from typing import Any

import pytest

from xlmerge.errors import DataError
from xlmerge_standard.tasks.multiple_choice import multiple_choice

torch = pytest.importorskip("torch")
datasets = pytest.importorskip("datasets")
pytestmark = pytest.mark.libraries


def rows(choices: int = 2, count: int = 16, **more: Any) -> Any:
    """The right choice is the good one."""
    data: dict[str, list[Any]] = {
        "premise": [f"the {'old ' * (at % 3)}town" for at in range(count)]
    }
    for number in range(choices):
        data[f"choice{number + 1}"] = [
            f"{'good' if at % choices == number else 'bad'} {'here ' * (at % 4)}"
            for at in range(count)
        ]
    return datasets.Dataset.from_dict(
        data | {"label": [at % choices for at in range(count)]} | more
    )


@pytest.mark.parametrize("choices", [2, 3])
def test_learns_a_toy(
    choices: int, live: Any, tokenizer: Any, add_head: Any, fit: Any, scored: Any
) -> None:
    logic, data = multiple_choice.function(), rows(choices)
    labels = logic.label_names(data)
    assert labels == ("choice1", "choice2", "choice3")[:choices]
    add_head(logic, labels)
    before = scored(logic, data, labels).metrics
    fit(logic, logic.encode(data, tokenizer, labels, training=True), rate=0.005)
    after = scored(logic, data, labels)
    assert before["accuracy"] < 90
    assert after.metrics == {"accuracy": 100.0}
    assert after.predictions == list(data["label"])


def test_the_plain_library_loads_the_head(
    live: Any, tokenizer: Any, add_head: Any, loaded_elsewhere: Any
) -> None:
    logic, data = multiple_choice.function(), rows(3, 4)
    labels = logic.label_names(data)
    add_head(logic, labels)
    batch = logic.collate(logic.encode(data, tokenizer, labels, training=False), tokenizer)
    assert batch["input_ids"].shape[:2] == (4, 3)
    other = loaded_elsewhere(logic)
    with torch.no_grad():
        found = other(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        assert torch.equal(found, logic.outputs(live, batch)["logits"])


def test_a_head_of_transformers_scores_each_choice(tokenizer: Any) -> None:
    import transformers

    config = transformers.XLMRobertaConfig(
        vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    model = transformers.XLMRobertaForMultipleChoice(config).eval()

    class Peft:
        head = None
        forward = staticmethod(model)

    logic, data = multiple_choice.function(), rows(3, 4)
    labels = logic.label_names(data)
    batch = logic.collate(logic.encode(data, tokenizer, labels, training=False), tokenizer)
    with torch.no_grad():
        found = logic.outputs(Peft(), batch)["logits"]
        for at in range(4):
            inputs = {name: batch[name][at] for name in ("input_ids", "attention_mask")}
            pooled = model.roberta(**inputs).pooler_output
            expected = model.classifier(pooled)[:, 0]
            torch.testing.assert_close(found[at], expected, rtol=0, atol=1e-6)


def test_copa_asks_in_words(tokenizer: Any) -> None:
    data = rows(2, 3, question=["cause", "effect", "who lives here?"])
    features = multiple_choice.function().encode(
        data, tokenizer, ("choice1", "choice2"), training=False
    )
    asked = ("What was the cause?", "What happened as a result?", "who lives here?")
    for at, words in enumerate(asked):
        expected = tokenizer(f"{data[at]['premise']} {words}", data[at]["choice2"])
        assert features[at]["input_ids"][1] == expected["input_ids"]


@pytest.mark.parametrize("label", [2, -1, None])
def test_a_label_is_the_number_of_a_choice(label: Any, tokenizer: Any) -> None:
    data = rows(2, 2, label=[0, label])
    with pytest.raises(DataError, match=f"row 2: `label` .* 0 to 1; found {label}"):
        multiple_choice.function().encode(data, tokenizer, ("a", "b"), training=False)


def test_the_head_has_as_many_choices(tokenizer: Any) -> None:
    with pytest.raises(DataError, match="the data has 3 choices; the head has 2"):
        multiple_choice.function().encode(rows(3, 2), tokenizer, ("a", "b"), training=False)


def test_one_choice_is_none() -> None:
    data = rows(2, 2).remove_columns("choice2")
    with pytest.raises(DataError, match="`choice1` and `choice2`; found choice1"):
        multiple_choice.function().label_names(data)
