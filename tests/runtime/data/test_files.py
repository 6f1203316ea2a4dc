"""Which files are which split."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from xlmerge.errors import DataError
from xlmerge.plan.split_files import data_files
from xlmerge.plan.splits import canonical_split, split_in_name, split_named

from .asked import data, write

if TYPE_CHECKING:
    from pathlib import Path


def found(start: Path, path: str = ".", **fields: object) -> dict[str, list[str]]:
    files = data_files(data(start, path, **fields))
    return {split: [each.name for each in each_split] for split, each_split in files.items()}


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.csv", "train"),
        ("valid.csv.gz", "validation"),
        ("val.jsonl", "validation"),
        ("id_gsd-ud-dev.conllu", "validation"),
        ("validation_preprocess.csv", "validation"),
        ("ind.valid.txt", "validation"),
        ("TEST.tsv", "test"),
        ("train2.json", "train"),
        ("trainer.csv", None),
        ("latest.csv", None),
        ("train-test.csv", None),
        ("README.md", None),
    ],
)
def test_a_name_tells_its_split(name: str, split: str | None) -> None:
    assert split_in_name(name) == split


def test_kindred_names_of_splits() -> None:
    assert canonical_split("Dev") == "validation"
    assert canonical_split("test_hard") == "test_hard"
    assert split_named("dev", ["train", "valid"]) == "valid"
    assert split_named("dev", ["validation", "dev"]) == "dev"
    assert split_named("test", ["train"]) is None


def test_a_folder_whose_names_tell(tmp_path: Path) -> None:
    write(tmp_path, train_csv="", valid_csv="", test_csv="", README_md="")
    tmp_path.joinpath(".train.csv").touch()
    expected = {"train": ["train.csv"], "validation": ["valid.csv"], "test": ["test.csv"]}
    assert found(tmp_path) == expected


def test_files_are_absolute(tmp_path: Path) -> None:
    tmp_path.joinpath("data").mkdir()
    write(tmp_path / "data", train_csv="")
    assert data_files(data(tmp_path, "data")) == {"train": [tmp_path / "data" / "train.csv"]}


def test_two_files_of_one_split_are_ambiguous(tmp_path: Path) -> None:
    write(tmp_path, train_csv="", train_jsonl="", test_csv="")
    with pytest.raises(DataError, match=r"(?s)split 'train': `train.csv`, `train.jsonl`.*files:"):
        found(tmp_path)


def test_a_folder_whose_names_tell_nothing(tmp_path: Path) -> None:
    write(tmp_path, reviews_csv="")
    with pytest.raises(DataError, match=r"(?s)tells by its name .* found `reviews.csv`.*files:"):
        found(tmp_path)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found no file"):
        found(tmp_path)


def test_named_files_and_patterns(tmp_path: Path) -> None:
    write(tmp_path, b_csv="", a_csv="", c_csv="")
    files = {"train": "[ab].csv", "dev": "c.csv"}
    assert found(tmp_path, files=files) == {"train": ["a.csv", "b.csv"], "validation": ["c.csv"]}


def test_a_named_file_goes_before_a_pattern(tmp_path: Path) -> None:
    write(tmp_path, a_csv="")
    tmp_path.joinpath("[a].csv").touch()
    assert found(tmp_path, files={"train": "[a].csv"}) == {"train": ["[a].csv"]}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"test": "tets.csv"}, r"(?s)test: no file .*tets.csv.*did you mean `test.csv`"),
        ({"dev": "test.csv", "valid": "test.csv"}, "split 'validation' twice"),
        ({"test": ""}, "'' is no name of a file"),
        ({"test": "/test.*"}, "is no name of a file below"),
    ],
)
def test_wrong_names_of_files(tmp_path: Path, files: dict[str, str], words: str) -> None:
    write(tmp_path, test_csv="")
    with pytest.raises(DataError, match=words):
        found(tmp_path, files=files)


def test_files_below_a_file(tmp_path: Path) -> None:
    write(tmp_path, test_csv="")
    with pytest.raises(DataError, match=r"(?s)`path` is a file .*write `path: \.`"):
        found(tmp_path, "test.csv", files={"test": "test.csv"})


def test_a_single_file_is_the_split_it_tells_else_train(tmp_path: Path) -> None:
    tmp_path.joinpath("ind.valid.txt").touch()
    tmp_path.joinpath("ind.txt.gz").touch()
    assert found(tmp_path, "ind.valid.txt") == {"validation": ["ind.valid.txt"]}
    assert found(tmp_path, "ind.txt.gz") == {"train": ["ind.txt.gz"]}


def test_a_format_that_the_name_does_not_tell(tmp_path: Path) -> None:
    tmp_path.joinpath("train.data").touch()
    with pytest.raises(DataError, match=r"(?s)does not tell its format.*`csv`, `tsv`"):
        found(tmp_path, "train.data")
    assert found(tmp_path, "train.data", format="csv") == {"train": ["train.data"]}
    assert found(tmp_path, format="csv") == {"train": ["train.data"]}


def test_a_format_that_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)no format 'jsonlines'.*`jsonl`"):
        found(tmp_path, format="jsonlines")


def test_what_is_on_the_hub_has_no_files(tmp_path: Path) -> None:
    assert found(tmp_path, "google/xquad") == {}
    assert found(tmp_path, "xquad") == {}


@pytest.mark.parametrize("path", ["./reviews", "data/reviews", "reviews.csv", "a/b/c", "\0"])
def test_a_path_that_is_not_there(tmp_path: Path, path: str) -> None:
    tmp_path.joinpath("data").mkdir()
    with pytest.raises(DataError, match=r"no file or folder|no path"):
        found(tmp_path, path)


def test_a_misspelt_path(tmp_path: Path) -> None:
    tmp_path.joinpath("data", "reviews").mkdir(parents=True)
    with pytest.raises(DataError, match=r"(?s)did you mean .*data/reviews\?"):
        found(tmp_path, "data/review/ind")


def test_it_imports_none_of_the_libraries() -> None:
    code = (
        "import sys; from xlmerge.runtime.data import data_files; "
        "sys.exit(any(name in sys.modules for name in ('datasets', 'torch', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
