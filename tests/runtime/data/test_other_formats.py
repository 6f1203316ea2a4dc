"""Plain text, JSON, SQuAD and Parquet."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.errors import DataError
from xlmerge.runtime.data import load_rows

from .asked import CLASSIFICATION, LANGUAGE_MODEL, data, task, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.libraries

QUESTIONS = task("id", "context", "question", "answers", optional=("title",))


def squad(*questions: dict[str, Any]) -> str:
    paragraph = {"context": "Surabaya is in Java.", "qas": list(questions)}
    return json.dumps({"data": [{"title": "Surabaya", "paragraphs": [paragraph]}]})


def test_text_has_a_row_for_each_line_with_text(tmp_path: Path) -> None:
    write(tmp_path, train_txt=" satu\n\n  \ndua, tiga\t\nempat")
    rows = load_rows(data(tmp_path), "train", LANGUAGE_MODEL)
    assert rows["text"][:] == [" satu", "dua, tiga\t", "empat"]


def test_json_lines(tmp_path: Path) -> None:
    write(tmp_path, test_jsonl='{"text": "a", "label": 1, "x": 0}\n\n{"label": 0, "text": "b"}\n')
    rows = load_rows(data(tmp_path), "test", CLASSIFICATION)
    assert rows.to_list() == [{"text": "a", "label": 1}, {"text": "b", "label": 0}]


@pytest.mark.parametrize("form", ["[{}]", '{{"data": [{}]}}'])
def test_json(tmp_path: Path, form: str) -> None:
    write(tmp_path, test_json=form.format('{"text": "a", "label": "x"}'))
    assert load_rows(data(tmp_path), "test", CLASSIFICATION)[0] == {"text": "a", "label": "x"}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("test_jsonl", '{"text": "a", "label": 1}\n{\n', "test.jsonl:2: no JSON"),
        ("test_jsonl", '["a"]\n', "test.jsonl:1: expected an object, found a list"),
        ("test_jsonl", "[" * 100_000, "test.jsonl:1: no JSON"),
        ("test_jsonl", '{"text": "a", "label": 1}\n{"text": "b"}\n', r"jsonl:2: .*'label' has no"),
        ("test_jsonl", '{"text": "a", "label": null}\n', r"jsonl:1: .*'label' has no value"),
        ("test_jsonl", '{"text": "a", "label": NaN}\n', r"jsonl:1: .*'label' has no value"),
        (
            "test_jsonl",
            '{"text": "a", "label": 1}\n{"text": "b", "label": "x"}\n',
            r"jsonl:2: the column 'label' has the text 'x', but values of the type int",
        ),
        (
            "test_jsonl",
            '{"text": "a", "label": 1}\n{"text": "b", "label": 1, "id": "7"}\n',
            r"jsonl:2: there is a column 'id', which the first row lacks",
        ),
        ("test_json", '{"text": ["a"]}', "expected a list of objects"),
        ("test_json", '[{"text": "a", "label": 1}, 7]', "row 2: expected an object, found"),
        ("test_json", '[{"text": "a", "label": 1}, {"text": "", "label": 1}]', "json: row 2: the"),
        ("test_json", "{", "no JSON"),
        ("test_json", squad(), "(?s)as SQuAD's do.*format: squad"),
    ],
)
def test_what_is_wrong_with_json(tmp_path: Path, name: str, text: str, words: str) -> None:
    write(tmp_path, **{name: text})
    with pytest.raises(DataError, match=words):
        load_rows(data(tmp_path), "test", CLASSIFICATION)


def test_an_optional_value_may_be_missing(tmp_path: Path) -> None:
    write(tmp_path, test_jsonl='{"text": "a", "id": null}\n{"text": "b", "id": 7}\n{"text": "c"}\n')
    rows = load_rows(data(tmp_path), "test", task("text", optional=("id",)))
    assert rows["id"][:] == [None, 7, None]


def test_squad(tmp_path: Path) -> None:
    answer = {"text": "Java", "answer_start": 15}
    write(
        tmp_path,
        test_json=squad(
            {"id": 1, "question": "Where?", "answers": [answer, answer]},
            {"id": "b", "question": "Since when?", "answers": [], "is_impossible": True},
        ),
    )
    rows = load_rows(data(tmp_path, format="squad"), "test", QUESTIONS).to_list()
    assert rows[0] == {
        "id": "1",
        "context": "Surabaya is in Java.",
        "question": "Where?",
        "answers": {"text": ["Java", "Java"], "answer_start": [15, 15]},
        "title": "Surabaya",
    }
    assert rows[1]["answers"] == {"text": [], "answer_start": []}


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({"id": "a", "question": "?", "answers": [{"text": "x", "answer_start": 20}]}, "0 to 19"),
        ({"id": "a", "question": "?", "answers": [{"text": "x"}]}, r"qas\[0\].answers\[0\].answer"),
        ({"id": "a", "question": "?", "answers": [{"answer_start": 1}]}, "expected a text `text`"),
        ({"id": "a", "question": "?", "answers": {"text": []}}, "expected a list `answers`"),
        ({"id": "a", "question": "?"}, "needs the column 'answers'"),
        ({"id": "a", "answers": []}, "expected a text `question`"),
        ({"id": "a", "question": " ", "answers": []}, "row 1: the column 'question' has an empty"),
    ],
)
def test_what_is_wrong_with_questions(tmp_path: Path, question: dict[str, Any], words: str) -> None:
    write(tmp_path, test_json=squad(question))
    with pytest.raises(DataError, match=words):
        load_rows(data(tmp_path, format="squad"), "test", QUESTIONS)


def test_a_file_that_is_no_squad(tmp_path: Path) -> None:
    write(tmp_path, test_json='{"data": [{"context": "a"}]}')
    with pytest.raises(DataError, match=r"data\[0\]: expected a list `paragraphs`, found nothing"):
        load_rows(data(tmp_path, format="squad"), "test", QUESTIONS)


def test_parquet(tmp_path: Path) -> None:
    import datasets

    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
    )
    made = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, 1]}, features)
    made.to_parquet(tmp_path / "test.parquet")
    rows = load_rows(data(tmp_path, limit={"test": 2}), "test", CLASSIFICATION)
    assert rows.to_list() == [{"text": "a", "label": 1}, {"text": "b", "label": 0}]
    assert rows.features["label"].names == ["no", "yes"]
    other = load_rows(data(tmp_path, labels=("yes", "no")), "test", CLASSIFICATION)
    assert other["label"][:] == [0, 1, 0]
    assert other.features["label"].names == ["yes", "no"]


def test_what_is_wrong_with_parquet(tmp_path: Path) -> None:
    import datasets

    write(tmp_path, test_parquet="no")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        load_rows(data(tmp_path), "test", CLASSIFICATION)
    datasets.Dataset.from_dict({"text": ["a", None], "label": [1, 0]}).to_parquet(
        tmp_path / "train.parquet"
    )
    with pytest.raises(DataError, match=r"parquet: row 2: the column 'text' has no value"):
        load_rows(data(tmp_path), "train", CLASSIFICATION)
