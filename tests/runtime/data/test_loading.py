"""Splits, columns, limits, the cache and the hub."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.errors import DataError, HubError
from xlmerge.runtime.data import load_rows

from .asked import CLASSIFICATION, LANGUAGE_MODEL, data, task, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.libraries

REVIEWS = "id,review,stars,text\n1,good,5,x\n2,bad,1,y\n"


@pytest.mark.parametrize("asked", ["validation", "valid", "val", "dev"])
@pytest.mark.parametrize("named", ["validation", "valid", "dev"])
def test_kindred_splits(tmp_path: Path, asked: str, named: str) -> None:
    tmp_path.joinpath(f"{named}.txt").write_text("a\n", encoding="utf-8")
    assert len(load_rows(data(tmp_path), asked, LANGUAGE_MODEL)) == 1
    by_name = data(tmp_path, files={named: f"{named}.txt"})
    assert len(load_rows(by_name, asked, LANGUAGE_MODEL)) == 1


def test_a_missing_split(tmp_path: Path) -> None:
    write(tmp_path, train_txt="a\n", dev_txt="b\n")
    with pytest.raises(DataError, match=r"(?s)no split 'test' .*`train`.*`files: {test: NAME}`"):
        load_rows(data(tmp_path), "test", LANGUAGE_MODEL)


def test_a_file_without_a_split_in_its_name_is_for_training_only(tmp_path: Path) -> None:
    write(tmp_path, ind_txt="a\n")
    assert len(load_rows(data(tmp_path, "ind.txt"), "train", LANGUAGE_MODEL)) == 1
    with pytest.raises(DataError, match="no split 'validation'"):
        load_rows(data(tmp_path, "ind.txt"), "validation", LANGUAGE_MODEL)


def test_columns_take_the_names_of_the_task(tmp_path: Path) -> None:
    write(tmp_path, test_csv=REVIEWS)
    request = data(tmp_path, columns={"text": "review", "label": "stars", "premise": "text"})
    rows = load_rows(request, "test", CLASSIFICATION)
    assert rows.to_list() == [
        {"text": "good", "label": "5", "id": "1"},
        {"text": "bad", "label": "1", "id": "2"},
    ]


def test_an_optional_column_that_is_another_of_the_task_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, test_csv="id,text\n1,a\n")
    wanted = task("text", optional=("id",))
    rows = load_rows(data(tmp_path, columns={"text": "id"}), "test", wanted)
    assert rows.to_list() == [{"text": "1"}]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({}, r"(?s)'label' \(the label\), but .*test.csv has none .*`review`, `stars`, `text`"),
        ({"label": "star"}, r"(?s)which `columns` says is 'star'.*`columns: {label: stars}`"),
        ({"label": "Stars"}, r"`columns: {label: stars}`"),
        ({"label": "q"}, r"`columns: {label: NAME}`"),
        ({"label": "text"}, "'text' and 'label' are the same column of the data, 'text'"),
    ],
)
def test_a_missing_column(tmp_path: Path, columns: dict[str, str], words: str) -> None:
    write(tmp_path, test_csv=REVIEWS)
    with pytest.raises(DataError, match=words):
        load_rows(data(tmp_path, columns=columns), "test", CLASSIFICATION)


def test_a_limit_takes_rows_from_the_beginning(tmp_path: Path) -> None:
    write(tmp_path, train_txt="a\nb\n", dev_txt="c\nd\n")
    request = data(tmp_path, limit={"train": 1, "valid": 5})
    assert load_rows(request, "train", LANGUAGE_MODEL)["text"][:] == ["a"]
    assert load_rows(request, "dev", LANGUAGE_MODEL)["text"][:] == ["c", "d"]
    with pytest.raises(DataError, match="train: expected at least 1 row, found 0"):
        load_rows(data(tmp_path, limit={"train": 0}), "train", LANGUAGE_MODEL)


def test_rows_after_the_limit_are_not_looked_at(tmp_path: Path) -> None:
    write(tmp_path, test_csv="text,label\na,x\nb\n")
    assert len(load_rows(data(tmp_path, limit={"test": 1}), "test", CLASSIFICATION)) == 1


def test_several_files_follow_each_other(tmp_path: Path) -> None:
    write(tmp_path, a_txt="a\nb\n")
    tmp_path.joinpath("b.txt.gz").write_bytes(gzip.compress(b"c\n"))
    request = data(tmp_path, files={"train": "*.txt*"})
    assert load_rows(request, "train", LANGUAGE_MODEL)["text"][:] == ["a", "b", "c"]


def test_several_files_need_the_same_form(tmp_path: Path) -> None:
    write(tmp_path, a_csv="text,label,id\na,x,1\n", b_csv="text,label\nb,y\n", c_tsv="")
    request = data(tmp_path, files={"train": "*.csv"})
    with pytest.raises(DataError, match=r"b.csv:2: the columns are .* in the file before"):
        load_rows(request, "train", CLASSIFICATION)
    with pytest.raises(DataError, match="of different formats: csv, tsv"):
        load_rows(data(tmp_path, files={"train": "*.*sv"}), "train", CLASSIFICATION)


def test_a_file_is_parsed_once_and_again_when_it_changes(
    tmp_path: Path, readings: list[Path]
) -> None:
    write(tmp_path, train_txt="a\nb\n")
    first = load_rows(data(tmp_path), "train", LANGUAGE_MODEL)
    again = load_rows(data(tmp_path), "train", LANGUAGE_MODEL)
    assert first["text"][:] == again["text"][:]
    assert len(readings) == 1
    write(tmp_path, train_txt="a\nc\n")
    assert load_rows(data(tmp_path), "train", LANGUAGE_MODEL)["text"][:] == ["a", "c"]
    assert len(readings) == 2


def test_no_progress_bars(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import datasets

    write(tmp_path, test_csv="text,label\na,x\n")
    load_rows(data(tmp_path, labels=("x", "y")), "test", CLASSIFICATION)
    assert capfd.readouterr() == ("", "")
    assert not datasets.are_progress_bars_disabled()


@pytest.mark.usefixtures("without_hub")
def test_a_hub_that_cannot_be_reached(tmp_path: Path) -> None:
    tmp_path.joinpath("reviews").mkdir()
    with pytest.raises(HubError, match=r"(?s)reviws/ind is no path here .*did you mean .*reviews"):
        load_rows(data(tmp_path, "reviws/ind"), "test", CLASSIFICATION)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A hub with one data set; what it is asked for is noted."""
    import datasets

    rows = {"sentence": ["a", "b"], "label": [1, 0]}
    features = datasets.Features(
        {"sentence": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
    )
    made = datasets.DatasetDict({"dev": datasets.Dataset.from_dict(rows, features)})
    asked: dict[str, Any] = {}

    def load_dataset(path: str, subset: str | None, **others: Any) -> datasets.DatasetDict:
        asked.update(path=path, subset=subset, **others)
        if subset == "xx":
            raise ValueError("BuilderConfig 'xx' not found. Available: ['ind']\nmore")
        if subset == "script":
            raise RuntimeError("Dataset scripts are no longer supported, but found reviews.py")
        return made

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return asked


def test_a_data_set_on_the_hub(tmp_path: Path, hub: dict[str, Any]) -> None:
    request = data(
        tmp_path, "someone/reviews", subset="ind", revision="1.0", columns={"text": "sentence"}
    )
    rows = load_rows(request, "validation", CLASSIFICATION)
    assert rows.to_list() == [{"text": "a", "label": 1}, {"text": "b", "label": 0}]
    assert rows.features["label"].names == ["no", "yes"]
    assert hub == {
        "path": "someone/reviews",
        "subset": "ind",
        "revision": "1.0",
        "data_files": None,
    }


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("split", "fields", "words"),
    [
        ("test", {}, r"(?s)someone/reviews has no split 'test'.*`dev`"),
        ("dev", {"subset": "xx"}, r"(?s)'xx' not found. Available: \['ind'\]\n.*`subset` names"),
        ("dev", {"subset": "script"}, r"(?s)no longer supported.*refs/convert/parquet"),
        ("dev", {}, r"(?s)someone/reviews has none of that name.*`sentence`"),
    ],
)
def test_what_is_wrong_with_a_data_set_on_the_hub(
    tmp_path: Path, split: str, fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        load_rows(data(tmp_path, "someone/reviews", **fields), split, CLASSIFICATION)
