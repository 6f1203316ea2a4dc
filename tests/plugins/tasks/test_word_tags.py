"""Tags of words: entities and plain ones, long sentences, scores."""

from __future__ import annotations

from typing import Any

import pytest

from xlmerge.errors import DataError, ModelError
from xlmerge_standard.tasks.tagging import tagging
from xlmerge_standard.tasks.token_classification import token_classification

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
datasets = pytest.importorskip("datasets")
pytestmark = pytest.mark.libraries

BIO = ("O", "B-LOC", "B-PER", "I-LOC", "I-PER")
TAG_OF = {"budi": "B-PER", "lives": "O", "in": "O", "old": "B-LOC", "rome": "I-LOC", "zzz": "O"}


def sentences(count: int = 16, length: int = 6) -> Any:
    words = list(TAG_OF)
    tokens = [
        [words[(at + i) % 6] for i in range(2 + (at + length) % length)] for at in range(count)
    ]
    return datasets.Dataset.from_dict(
        {"tokens": tokens, "tags": [[TAG_OF[word] for word in row] for row in tokens]}
    )


def test_learns_a_toy(live: Any, tokenizer: Any, add_head: Any, fit: Any, scored: Any) -> None:
    logic, data = token_classification.function(), sentences()
    labels = logic.label_names(data)
    assert labels == ("B-LOC", "B-PER", "I-LOC", "O")
    add_head(logic, labels)
    before = scored(logic, data, labels).metrics
    fit(logic, logic.encode(data, tokenizer, labels, training=True))
    after = scored(logic, data, labels)
    assert list(before) == ["f1", "precision", "recall", "accuracy"]
    assert before["f1"] < 80
    assert after.metrics == dict.fromkeys(before, 100.0)
    assert after.predictions == list(data["tags"])


def test_learns_plain_tags(live: Any, tokenizer: Any, add_head: Any, fit: Any, scored: Any) -> None:
    logic = tagging.function()
    data = sentences().map(lambda row: {"tags": [word[0].upper() for word in row["tokens"]]})
    labels = logic.label_names(data)
    add_head(logic, labels)
    fit(logic, logic.encode(data, tokenizer, labels, training=True))
    assert scored(logic, data, labels).metrics == {"accuracy": 100.0, "macro_f1": 100.0}


def test_the_plain_library_loads_the_head(
    live: Any, tokenizer: Any, add_head: Any, loaded_elsewhere: Any
) -> None:
    logic = token_classification.function()
    add_head(logic, BIO)
    batch = logic.collate(logic.encode(sentences(4), tokenizer, BIO, training=False), tokenizer)
    other = loaded_elsewhere(logic)
    assert other.get_labels_dict() == dict(enumerate(BIO))
    with torch.no_grad():
        expected = logic.outputs(live, batch)["logits"]
        found = other(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    assert torch.equal(found, expected)


def test_the_first_token_of_a_word_has_its_tag(tokenizer: Any) -> None:
    data = datasets.Dataset.from_dict(
        {"tokens": [["budi", "zzz", "", "rome"]], "tags": [["B-PER", "O", "O", "B-LOC"]]}
    )
    [feature] = token_classification.function().encode(data, tokenizer, BIO, training=True)
    # <s> budi ▁ z z z <unk> rome </s>: a word of which no token is left is still there.
    assert tokenizer.convert_ids_to_tokens(feature["input_ids"]) == (
        ["<s>", "▁budi", "▁", "z", "z", "z", "<unk>", "▁rome", "</s>"]
    )
    assert feature["labels"] == [-100, 2, 0, -100, -100, -100, 0, 1, -100]
    assert feature["places"] == [1, 2, 6, 7]


@pytest.mark.parametrize("max_length", [8, 9, 12, 40])
def test_every_word_of_a_long_sentence_is_read_once(max_length: int, tokenizer: Any) -> None:
    data = sentences(12, 40)
    logic = token_classification.function(max_length=max_length)
    features = logic.encode(data, tokenizer, BIO, training=False)
    words = [[] for _ in data]
    for feature in features:
        assert len(feature["input_ids"]) <= max_length
        words[feature["row"]] += feature["words"]
        tokens = tokenizer.convert_ids_to_tokens(feature["input_ids"])
        for word, place in zip(feature["words"], feature["places"], strict=True):
            text = data[feature["row"]]["tokens"][word]
            assert tokens[place].removeprefix("▁") in ("", text)
    assert words == [list(range(len(row))) for row in data["tokens"]]


def test_windows_share_what_stands_around_their_words(tokenizer: Any) -> None:
    data = datasets.Dataset.from_dict({"tokens": [["in"] * 60], "tags": [["O"] * 60]})
    features = token_classification.function(max_length=22).encode(
        data, tokenizer, BIO, training=False
    )
    # 20 words fit, 5 are shared; of these 2 are read before and 3 behind the middle.
    assert [len(f["input_ids"]) for f in features] == [22, 22, 22, 17]
    assert [(f["words"][0], f["words"][-1]) for f in features] == (
        [(0, 16), (17, 31), (32, 46), (47, 59)]
    )


def test_a_word_longer_than_a_window_is_read(tokenizer: Any) -> None:
    data = datasets.Dataset.from_dict({"tokens": [["in", "z" * 50, "in"]], "tags": [["O"] * 3]})
    features = token_classification.function(max_length=10).encode(
        data, tokenizer, BIO, training=False
    )
    assert sorted(word for f in features for word in f["words"]) == [0, 1, 2]


@pytest.mark.filterwarnings("ignore:.*seems not to be NE tag", "ignore::UserWarning:seqeval")
@pytest.mark.parametrize("seed", range(8))
def test_scores_are_those_of_seqeval(seed: int) -> None:
    from seqeval.metrics import accuracy_score, f1_score, precision_score, recall_score

    rng = np.random.default_rng(seed)
    gold = [[BIO[i] for i in rng.integers(0, 5, rng.integers(1, 9))] for _ in range(20)]
    guess = [[t if rng.random() < 0.6 else BIO[rng.integers(5)] for t in row] for row in gold]
    data = datasets.Dataset.from_dict({"tokens": [["x"] * len(row) for row in gold], "tags": gold})
    logic = token_classification.function()
    statistics = logic.statistics(guess, data, BIO)
    found = logic.metrics(statistics.sum(0), BIO)
    names = ("f1", "precision", "recall", "accuracy")
    scores = (f1_score, precision_score, recall_score, accuracy_score)
    for name, score in zip(names, scores, strict=True):
        assert found[name] == pytest.approx(100 * score(gold, guess)), name
    picks = rng.integers(0, 20, (3, 20))
    many = logic.metrics(statistics[picks].sum(1), BIO)["f1"]
    alone = [100 * f1_score([gold[i] for i in p], [guess[i] for i in p]) for p in picks]
    assert many == pytest.approx(np.array(alone))


def test_nothing_found_scores_nothing() -> None:
    data = datasets.Dataset.from_dict({"tokens": [["x", "y"]], "tags": [["B-PER", "O"]]})
    logic = token_classification.function()
    found = logic.metrics(logic.statistics([["O", "O"]], data, BIO).sum(0), BIO)
    assert found == {"f1": 0, "precision": 0, "recall": 0, "accuracy": 50}


def test_plain_tags_score_as_in_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    tags = ("ADJ", "NOUN", "VERB")
    gold = [[tags[i] for i in rng.integers(0, 3, 5)] for _ in range(10)]
    guess = [[tags[i] for i in rng.integers(0, 3, 5)] for _ in range(10)]
    data = datasets.Dataset.from_dict({"tokens": [["x"] * 5] * 10, "tags": gold})
    logic = tagging.function()
    found = logic.metrics(logic.statistics(guess, data, tags).sum(0), tags)
    flat = [tag for row in gold for tag in row], [tag for row in guess for tag in row]
    assert found["accuracy"] == pytest.approx(100 * metrics.accuracy_score(*flat))
    assert found["macro_f1"] == pytest.approx(100 * metrics.f1_score(*flat, average="macro"))


def test_tags_by_number_have_the_schema_s_names(tokenizer: Any) -> None:
    names = datasets.ClassLabel(names=["B-PER", "O"])
    data = datasets.Dataset.from_dict({"tokens": [["budi", "in"]], "tags": [["B-PER", "O"]]})
    data = data.cast_column("tags", datasets.Sequence(names))
    assert data[0]["tags"] == [0, 1]
    logic = token_classification.function()
    assert logic.label_names(data) == ("B-PER", "O")
    [feature] = logic.encode(data, tokenizer, BIO, training=True)
    assert feature["labels"] == [-100, 2, 0, -100]
    assert logic.statistics([["B-PER", "O"]], data, BIO).tolist() == [[1, 1, 1, 2, 2]]


def test_a_tag_that_the_head_never_saw_is_an_error_of_the_model(
    live: Any, tokenizer: Any, add_head: Any, scored: Any
) -> None:
    logic = tagging.function()
    data = datasets.Dataset.from_dict({"tokens": [["budi", "in"]], "tags": [["X", "O"]]})
    with pytest.raises(DataError, match="has tags that the head has not: X; it has O, Y"):
        logic.encode(data, tokenizer, ("O", "Y"), training=True)
    add_head(logic, ("O", "Y"))
    with pytest.warns(UserWarning, match="the head has not: X; it has O, Y; the words count"):
        result = scored(logic, data, ("O", "Y"))
    assert result.metrics["accuracy"] in (0.0, 50.0)
    assert result.statistics[0, -1] == 2
    with pytest.raises(DataError, match="has not: O, X; it has A, B"):
        logic.encode(data, tokenizer, ("A", "B"), training=False)


@pytest.mark.parametrize(
    ("tokens", "tags", "message"),
    [
        (["a", "b"], ["O"], "row 1: 2 tokens have 1 tags"),
        (["a"], ["E-PER"], "BIO tags.*found 'E-PER'"),
        (["a"], ["PER"], "BIO tags.*found 'PER'"),
        (["a"], ["B-"], "BIO tags.*found 'B-'"),
    ],
)
def test_bad_rows_are_named(tokens: Any, tags: Any, message: str, tokenizer: Any) -> None:
    data = datasets.Dataset.from_dict({"tokens": [tokens], "tags": [tags]})
    with pytest.raises(DataError, match=message):
        token_classification.function().encode(data, tokenizer, BIO, training=False)


@pytest.mark.parametrize("column", ["tokens", "tags"])
def test_a_text_is_no_list_of_words(column: str, tokenizer: Any) -> None:
    data = datasets.Dataset.from_dict({"tokens": [["a"]], "tags": [["O"]]})
    data = data.remove_columns(column).add_column(column, ["a b"])
    with pytest.raises(DataError, match=f"row 1: `{column}` should be a list"):
        token_classification.function().encode(data, tokenizer, BIO, training=False)


def test_sentences_without_words_have_no_tags(
    live: Any, tokenizer: Any, add_head: Any, scored: Any
) -> None:
    logic = token_classification.function()
    data = datasets.Dataset.from_dict({"tokens": [[], ["budi"]], "tags": [[], ["B-PER"]]})
    add_head(logic, BIO)
    found = scored(logic, data, BIO)
    assert found.predictions[0] == []
    assert found.statistics[0].tolist() == [0, 0, 0, 0, 0]


def test_a_slow_tokenizer_is_refused(tokenizer: Any) -> None:
    class Slow:
        is_fast = False

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return tokenizer(*args, **kwargs)

    with pytest.raises(ModelError, match="Slow cannot tell which word a token is of"):
        token_classification.function().encode(sentences(1), Slow(), BIO, training=False)
