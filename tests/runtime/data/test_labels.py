"""Classes, from what is declared and from what the data holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.errors import DataError
from xlmerge.runtime.data import class_ids, class_names, load_rows
from xlmerge.runtime.data.labels import Classes

from .asked import CLASSIFICATION, TAGGING, data, task, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.libraries


def column(values: list[Any]) -> Any:
    import datasets

    return datasets.Dataset.from_dict({"label": values})


@pytest.mark.parametrize(
    ("names", "value", "index"),
    [
        (("no", "yes"), "yes", 1),
        (("no", "yes"), 1, 1),
        (("no", "yes"), "1", 1),
        (("no", "yes"), 2, None),
        (("no", "yes"), -1, None),
        (("no", "yes"), "-1", None),
        (("no", "yes"), "maybe", None),
        (("no", "yes"), 1.0, None),
        (("no", "yes"), True, None),
        (("1", "2", "3"), 1, 0),  # stars, not indices
        (("1", "2", "3"), "3", 2),
        (("1", "2", "3"), 0, None),
        (("1", "other"), "1", 0),
    ],
)
def test_what_a_value_means(names: tuple[str, ...], value: Any, index: int | None) -> None:
    assert Classes(names).index(value) == index


def test_declared_labels_travel_with_the_rows(tmp_path: Path) -> None:
    write(tmp_path, test_csv="text,label\na,good\nb,bad\n")
    rows = load_rows(data(tmp_path, labels=("bad", "good")), "test", CLASSIFICATION)
    assert rows["label"][:] == [1, 0]
    assert rows.features["label"].names == ["bad", "good"]
    assert class_names(rows, "label") == ("bad", "good")
    assert class_ids(rows, "label", ("good", "bad", "other")) == [0, 1]


def test_declared_labels_name_numbers(tmp_path: Path) -> None:
    write(tmp_path, test_csv="text,label\na,1\nb,0\n", train_jsonl='{"text": "a", "label": 1}\n')
    request = data(tmp_path, labels=("bad", "good"))
    assert load_rows(request, "test", CLASSIFICATION)["label"][:] == [1, 0]
    assert load_rows(request, "train", CLASSIFICATION)["label"][:] == [1]


def test_declared_tags(tmp_path: Path) -> None:
    write(tmp_path, test_conll="Saya O\nBudi B-PER\n")
    rows = load_rows(data(tmp_path, labels=("O", "B-PER")), "test", TAGGING)
    assert rows[0]["tags"] == [0, 1]
    assert class_names(rows, "tags") == ("O", "B-PER")
    assert class_ids(rows, "tags", ("B-PER", "O")) == [[1, 0]]


def test_labels_of_a_task_without_classes_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path, test_csv="text,label\na,good\n")
    rows = load_rows(data(tmp_path, labels=("x", "y")), "test", task("text", "label"))
    assert rows["label"][:] == ["good"]


@pytest.mark.parametrize(
    ("name", "text", "labels", "words"),
    [
        ("test_csv", "text,label\na,bad\nb,goood\n", ("bad", "good"), "csv:3: the text 'goood' is"),
        ("test_csv", "text,label\na,bad\nb,goood\n", ("bad", "good"), r"did you mean `good`\?"),
        ("test_csv", "text,label\na,2\n", ("bad", "good"), "csv:2: the text '2' is none"),
        ("test_jsonl", '{"text": "a", "label": 0.5}', ("bad", "good"), "the number 0.5 is none"),
        ("test_csv", "text,label\na,bad\n", ("bad", "bad"), "`bad` is there more than once"),
    ],
)
def test_labels_that_were_not_declared(
    tmp_path: Path, name: str, text: str, labels: tuple[str, ...], words: str
) -> None:
    write(tmp_path, **{name: text})
    with pytest.raises(DataError, match=words):
        load_rows(data(tmp_path, labels=labels), "test", CLASSIFICATION)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["b", "a", "b"], ("a", "b")),
        ([["O", "B"], ["O"]], ("B", "O")),
        ([2, 0, 1], ("0", "1", "2")),
        (["10", *(str(n) for n in range(10))], tuple(str(n) for n in range(11))),
        (["1", "many"], ("1", "many")),
    ],
)
def test_names_from_the_data(values: list[Any], names: tuple[str, ...]) -> None:
    assert class_names(column(values), "label") == names


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([0.5, 1.0], "are no classes: `0.5`, `1.0`"),
        ([True, False], "are no classes: `False`, `True`"),
        ([1, 2, 3], r"(?s)numbers without names, and not 0 to n - 1: `1`, `2`, `3`.*labels:"),
        ([["1"], ["5"]], "numbers without names"),
        ([0, None], "are no classes"),
    ],
)
def test_values_that_are_no_classes(values: list[Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        class_names(column(values), "label")


def test_every_row_is_held_against_declared_names() -> None:
    assert class_names(column(["a", "b"]), "label", ("b", "a", "c")) == ("b", "a", "c")
    with pytest.raises(DataError, match=r"2 of 4 rows .* none of `a`: `b`, `c`, .* row 2, 4"):
        class_names(column(["a", "b", "a", "c"]), "label", ("a",))
    with pytest.raises(DataError, match=r"1 of 2 rows .*: `x`, the first in row 2"):
        class_ids(column([["a"], ["a", "x"]]), "label", ("a",))


def test_names_of_features_are_translated() -> None:
    import datasets

    def named(*names: str) -> Any:
        return column([0, 1]).cast_column("label", datasets.ClassLabel(names=list(names)))

    assert class_ids(named("no", "yes"), "label", ("yes", "no")) == [1, 0]
    assert class_ids(named("0", "1"), "label", ("no", "yes")) == [0, 1]  # no names at all
    with pytest.raises(DataError, match=r"1 of 2 rows .* none of `yes`, `nein`: `no`, .* row 1"):
        class_ids(named("no", "yes"), "label", ("yes", "nein"))


def test_a_class_of_the_features_that_no_row_has_is_not_missed() -> None:
    import datasets

    rows = column([1, 1]).cast_column("label", datasets.ClassLabel(names=["no", "yes"]))
    assert class_ids(rows, "label", ("yes",)) == [0, 0]
