"""Classes of texts: heads, labels, scores."""

from __future__ import annotations

from typing import Any

import pytest

from xlmerge.errors import DataError, ModelError, ParameterError
from xlmerge_standard.tasks.sequence_classification import sequence_classification

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
datasets = pytest.importorskip("datasets")
pytestmark = pytest.mark.libraries

LABELS = ("bad", "good")


def rows(count: int = 16, **more: Any) -> Any:
    texts = [f"the {'good' if at % 2 else 'bad'} {'old ' * (at % 5)}town" for at in range(count)]
    labels = [LABELS[at % 2] for at in range(count)]
    return datasets.Dataset.from_dict({"text": texts, "label": labels, **more})


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_learns_a_toy(
    pooling: str, live: Any, tokenizer: Any, add_head: Any, fit: Any, scored: Any
) -> None:
    logic, data = sequence_classification.function(pooling=pooling), rows()
    labels = logic.label_names(data)
    assert labels == LABELS
    add_head(logic, labels)
    before = scored(logic, data, labels).metrics["macro_f1"]
    fit(logic, logic.encode(data, tokenizer, labels, training=True))
    after = scored(logic, data, labels)
    assert before < 90
    assert after.metrics == {"macro_f1": 100.0, "accuracy": 100.0}
    assert after.predictions == list(data["label"])


@pytest.mark.parametrize("options", [{}, {"layers": 2}, {"pooling": "mean"}])
def test_the_plain_library_loads_the_head(
    options: dict[str, Any], live: Any, tokenizer: Any, add_head: Any, loaded_elsewhere: Any
) -> None:
    logic, data = sequence_classification.function(**options), rows(4)
    add_head(logic, LABELS)
    batch = logic.collate(logic.encode(data, tokenizer, LABELS, training=False), tokenizer)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    other = loaded_elsewhere(logic)
    assert other.get_labels_dict() == dict(enumerate(LABELS))
    with torch.no_grad():
        expected = logic.outputs(live, batch)["logits"]
        assert torch.equal(other(**inputs).logits, expected)
        # And with tuples, as models of the library may be asked to give.
        assert torch.equal(other(**inputs, return_dict=False)[0], expected)


def test_mean_is_over_tokens_and_not_over_padding(live: Any, tokenizer: Any, add_head: Any) -> None:
    logic, data = sequence_classification.function(pooling="mean"), rows(5)
    add_head(logic, LABELS)
    features = logic.encode(data, tokenizer, LABELS, training=False)
    batch = logic.collate(features, tokenizer)
    assert int((batch["attention_mask"] == 0).sum()) > 0
    with torch.no_grad():
        together = logic.outputs(live, batch)["logits"]
        for at, feature in enumerate(features):
            states = live.encode(input_ids=torch.tensor([feature["input_ids"]]))
            alone = live.head[1](states[0].mean(0))
            torch.testing.assert_close(together[at], alone, rtol=0, atol=1e-5)


def test_pairs_are_joined_as_the_tokenizer_joins_them(tokenizer: Any) -> None:
    logic, data = sequence_classification.function(), rows(2, text_b=["who", "here"])
    [first, _] = logic.encode(data, tokenizer, LABELS, training=False)
    assert first["input_ids"] == tokenizer(data["text"][0], "who")["input_ids"]
    assert first["input_ids"].count(tokenizer.sep_token_id) == 3


def test_classes_follow_the_schema_and_are_matched_by_name(tokenizer: Any) -> None:
    logic = sequence_classification.function()
    names = datasets.ClassLabel(names=["good", "bad"])
    data = rows(4).cast_column("label", names)
    assert logic.label_names(data) == ("good", "bad")
    # A head that has them in another order gets its own numbers.
    encoded = logic.encode(data, tokenizer, ("bad", "plain", "good"), training=True)
    assert [feature["labels"] for feature in encoded] == [0, 2, 0, 2]


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_scikit_learn(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    logic = sequence_classification.function()
    rng = np.random.default_rng(seed)
    labels = ("a", "b", "c", "d")
    gold = rng.integers(0, 3, 40)  # nothing is a `d`
    guess = np.where(rng.random(40) < 0.6, gold, rng.integers(0, 2 + seed % 3, 40))
    data = datasets.Dataset.from_dict({"text": ["x"] * 40, "label": [labels[at] for at in gold]})
    statistics = logic.statistics([labels[at] for at in guess], data, labels)
    found = logic.metrics(statistics.sum(0), labels)
    assert found["macro_f1"] == pytest.approx(100 * metrics.f1_score(gold, guess, average="macro"))
    assert found["accuracy"] == pytest.approx(100 * metrics.accuracy_score(gold, guess))
    # Over resamples at once, each what it would be alone.
    picks = rng.integers(0, 40, (7, 40))
    many = logic.metrics(statistics[picks].sum(1), labels)["macro_f1"]
    alone = [100 * metrics.f1_score(gold[p], guess[p], average="macro") for p in picks]
    assert many == pytest.approx(np.array(alone))


def test_nothing_scored_is_not_a_number() -> None:
    found = sequence_classification.function().metrics(np.zeros(6), LABELS)
    assert all(np.isnan(value) for value in found.values())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"text": ["a"], "label": ["plain"]}, "none of `bad`, `good`: `plain`, the first in row 1"),
        ({"text": ["a"], "label": [2]}, "none of `bad`, `good`: `2`, the first in row 1"),
        ({"text": ["a"], "label": [None]}, "none of `bad`, `good`: `None`, the first in row 1"),
        ({"text": [None], "label": ["bad"]}, "row 1: `text` should be a text.*None"),
        ({"text": ["a"]}, "no column `label`; it has text"),
    ],
)
def test_bad_rows_are_named(data: Any, message: str, tokenizer: Any) -> None:
    wrong = datasets.Dataset.from_dict(data)
    with pytest.raises(DataError, match=message):
        sequence_classification.function().encode(wrong, tokenizer, LABELS, training=False)


def test_a_single_class_is_refused() -> None:
    data = datasets.Dataset.from_dict({"text": ["a", "b"], "label": ["bad", "bad"]})
    with pytest.raises(DataError, match="two classes or more; found bad"):
        sequence_classification.function().label_names(data)


def test_a_class_without_a_name_is_refused(tokenizer: Any) -> None:
    names = datasets.ClassLabel(names=list(LABELS))
    features = datasets.Features({"text": datasets.Value("string"), "label": names})
    data = datasets.Dataset.from_dict({"text": ["a"], "label": [-1]}, features=features)
    with pytest.raises(DataError, match="none of `bad`, `good`: `-1`"):
        sequence_classification.function().encode(data, tokenizer, LABELS, training=False)


def test_an_output_that_is_not_finite_has_no_class() -> None:
    logic = sequence_classification.function()
    output = {"logits": np.array([0.0, np.inf])}
    with pytest.raises(ModelError, match="row 1: the model's output is not finite"):
        logic.predictions([output], [{"row": 0}], rows(1), LABELS)


def test_the_mean_has_one_layer() -> None:
    with pytest.raises(ParameterError, match="one linear layer; found `layers: 2`"):
        sequence_classification.function(pooling="mean", layers=2)
