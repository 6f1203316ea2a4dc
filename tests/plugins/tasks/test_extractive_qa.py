"""Answers in texts: windows, spans, scores."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from xlmerge.errors import DataError, ModelError
from xlmerge_standard.tasks.extractive_qa import extractive_qa

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
datasets = pytest.importorskip("datasets")
pytestmark = pytest.mark.libraries


def row(context: str, answer: str, name: str = "q", **more: Any) -> dict[str, Any]:
    answers = {"text": [answer], "answer_start": [context.index(answer)]}
    return {
        "id": name,
        "context": context,
        "question": "who lives here ?",
        "answers": answers,
    } | more


def rows(count: int = 16, spread: int = 6) -> Any:
    found = []
    for at in range(count):
        before, behind = " ".join(["town"] * (at % spread)), " ".join(["plain"] * (at % 3))
        found.append(row(f"the {before} old budi rome {behind} zzz", "budi rome", f"q{at}"))
    return datasets.Dataset.from_list(found)


@pytest.mark.parametrize("options", [{}, {"max_length": 20, "stride": 4}])
def test_learns_a_toy(
    options: dict[str, int], live: Any, tokenizer: Any, add_head: Any, fit: Any, scored: Any
) -> None:
    logic, data = extractive_qa.function(**options), rows()
    add_head(logic, ())
    features = logic.encode(data, tokenizer, (), training=True)
    assert (len(features) > len(data)) == bool(options)
    before = scored(logic, data, ()).metrics
    fit(logic, features, rate=0.005)
    after = scored(logic, data, ())
    assert list(before) == ["f1", "exact_match"]
    assert before["exact_match"] < 50
    assert after.metrics == {"f1": 100.0, "exact_match": 100.0}
    assert after.predictions == ["budi rome"] * len(data)


def test_the_plain_library_loads_the_head(
    live: Any, tokenizer: Any, add_head: Any, loaded_elsewhere: Any
) -> None:
    logic = extractive_qa.function()
    add_head(logic, ())
    batch = logic.collate(logic.encode(rows(4), tokenizer, (), training=False), tokenizer)
    other = loaded_elsewhere(logic)
    with torch.no_grad():
        found = other(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
        expected = logic.outputs(live, batch)
    assert torch.equal(found.start_logits[batch["open"]], expected["start"][batch["open"]])
    assert torch.equal(found.end_logits[batch["open"]], expected["end"][batch["open"]])
    # The question and padding have no probability, in any precision.
    half = expected["start"].to(torch.bfloat16).float().softmax(-1)
    assert float((half * ~batch["open"]).sum()) == 0
    assert torch.isfinite(expected["start"]).all()


def test_the_answer_is_where_the_tokens_say(tokenizer: Any) -> None:
    logic = extractive_qa.function(max_length=20, stride=4)
    for feature in logic.encode(rows(12), tokenizer, (), training=True):
        first, last = feature["span"]
        tokens = tokenizer.convert_ids_to_tokens(feature["input_ids"][first : last + 1])
        whole = "▁budi" in tokenizer.convert_ids_to_tokens(feature["input_ids"]) and (
            "▁rome" in tokenizer.convert_ids_to_tokens(feature["input_ids"])
        )
        # A window that lacks the answer, or half of it, says so by its first token.
        assert tokens == (["▁budi", "▁rome"] if whole else ["<s>"])


def test_an_answer_that_no_input_holds_is_reported(tokenizer: Any) -> None:
    data = datasets.Dataset.from_list(
        [row("town " * 30, "town " * 19 + "town", "long"), rows(1)[0]]
    )
    logic = extractive_qa.function(max_length=20, stride=4)
    with pytest.warns(UserWarning, match="1 of 2 questions have no input.*'long' first"):
        logic.encode(data, tokenizer, (), training=True)
    logic.encode(data, tokenizer, (), training=False)  # scored as any other


def test_answers_are_checked_where_they_stand(tokenizer: Any) -> None:
    wrong = row("old budi rome", "budi")
    wrong["answers"]["answer_start"] = [5]
    cases = {
        r"question 'q': the answer 'budi' should stand at character 5.*found 'udi '": wrong,
        "question 'q' has no answer": row("a", "a", answers={"text": [], "answer_start": []}),
        "question 'q': `answers` should have lists": row(
            "a", "a", answers={"text": ["a"], "answer_start": []}
        ),
        "question 'q': the answer '' should": row(
            "a", "a", answers={"text": [""], "answer_start": [0]}
        ),
    }
    for message, each in cases.items():
        with pytest.raises(DataError, match=message):
            extractive_qa.function().encode(
                datasets.Dataset.from_list([each]), tokenizer, (), training=False
            )


def test_a_question_that_leaves_no_room_is_named(tokenizer: Any) -> None:
    data = datasets.Dataset.from_list([row("budi", "budi", "long", question="who " * 40)])
    with pytest.raises(DataError, match=r"question 'long': beside its 40 tokens.*room for 10"):
        extractive_qa.function(max_length=54, stride=16).encode(data, tokenizer, (), training=True)


def test_the_best_span_is_the_best_of_all() -> None:
    from xlmerge_standard.tasks._modules.spans import best_span

    rng = np.random.default_rng(0)
    for longest in (1, 3, 50):
        starts, ends, allowed = rng.normal(size=12), rng.normal(size=12), rng.random(12) < 0.7
        pairs = [
            (starts[i] + ends[j], i, j)
            for i, j in product(range(12), repeat=2)
            if 0 <= j - i < longest and allowed[i] and allowed[j]
        ]
        assert best_span(starts, ends, allowed, longest) == max(pairs)
    assert best_span(np.zeros(3), np.zeros(3), np.zeros(3, dtype=bool), 3) is None


def test_scores_are_those_of_squad() -> None:
    from transformers.data.metrics.squad_metrics import compute_f1

    answers = {"text": ["the old town", "town"], "answer_start": [0, 8]}
    data = datasets.Dataset.from_list([row("the old town", "town", answers=answers)] * 4)
    logic = extractive_qa.function()
    guesses = ["Old town.", "old", "", "rome"]
    found = logic.statistics(guesses, data, ())
    assert found[:, 0].tolist() == [1.0, pytest.approx(2 / 3), 0.0, 0.0]
    assert found[:, 1].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert found[1, 0] == compute_f1("the old town", "old")
    assert logic.metrics(found.sum(0), ())["exact_match"] == 25


def test_a_slow_tokenizer_is_refused() -> None:
    class Slow:
        is_fast = False

    with pytest.raises(ModelError, match="Slow cannot tell which characters"):
        extractive_qa.function().encode(rows(1), Slow(), (), training=False)
