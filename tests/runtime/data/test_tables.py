"""Comma and tab separated files."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from xlmerge.errors import DataError
from xlmerge.runtime.data import load_rows

from .asked import CLASSIFICATION, LANGUAGE_MODEL, data, task, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.libraries


def test_csv(tmp_path: Path) -> None:
    write(tmp_path, test_csv='id,text,label\n7,"bagus, ""sekali""",good\n8,"dua\nbaris",bad\n')
    rows = load_rows(data(tmp_path), "test", CLASSIFICATION)
    assert rows.to_list() == [
        {"text": 'bagus, "sekali"', "label": "good", "id": "7"},
        {"text": "dua\nbaris", "label": "bad", "id": "8"},
    ]


@pytest.mark.parametrize("value", ["NA", "null", "nan", "1", "1.0", "True", "None", "007"])
def test_a_text_stays_as_it_is(tmp_path: Path, value: str) -> None:
    write(tmp_path, test_csv=f"text,label\n{value},x\n")
    assert load_rows(data(tmp_path), "test", CLASSIFICATION)[0]["text"] == value


def test_byte_order_mark_line_ends_and_blank_lines(tmp_path: Path) -> None:
    write(tmp_path, test_csv="\ufefftext,label\r\na,x\r\n\r\nb,y\r\n")
    assert load_rows(data(tmp_path), "test", CLASSIFICATION)["text"][:] == ["a", "b"]


def test_lines_end_where_lines_end(tmp_path: Path) -> None:
    """Not at the other characters where `str.splitlines` cuts."""
    write(tmp_path, test_tsv="text\tlabel\na\x85b\u2028c\x0cd\tx\n")
    assert load_rows(data(tmp_path), "test", CLASSIFICATION)[0]["text"] == "a\x85b\u2028c\x0cd"


def test_a_quotation_mark_in_tsv_is_a_character(tmp_path: Path) -> None:
    write(tmp_path, test_tsv='text\tlabel\n"a" b\tx\n"c\ty\n')
    assert load_rows(data(tmp_path), "test", CLASSIFICATION)["text"][:] == ['"a" b', '"c']


def test_packed(tmp_path: Path) -> None:
    tmp_path.joinpath("test.csv.gz").write_bytes(gzip.compress(b"text,label\na,x\n"))
    assert load_rows(data(tmp_path), "test", CLASSIFICATION)[0]["text"] == "a"


def test_columns_by_number_mean_that_there_is_no_header(tmp_path: Path) -> None:
    write(tmp_path, train_tsv="selamat pagi\tsugeng enjing\nterima kasih\tmatur nuwun\n")
    pairs = task("source", "target")
    rows = load_rows(data(tmp_path, columns={"source": "0", "target": "1"}), "train", pairs)
    assert rows.to_list() == [
        {"source": "selamat pagi", "target": "sugeng enjing"},
        {"source": "terima kasih", "target": "matur nuwun"},
    ]


def test_a_header_of_numbers_is_a_header(tmp_path: Path) -> None:
    write(tmp_path, train_csv="0,1\na,b\n")
    rows = load_rows(data(tmp_path, columns={"text": "1"}), "train", LANGUAGE_MODEL)
    assert rows["text"][:] == ["b"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("text,label\na,x\nb\n", r"test.csv:3: expected 2 fields \(`text`, `label`\), found 1"),
        ("text,label\na,x\nb,y,z\n", r"test.csv:3: .* found 3"),
        ('text,label\n"a\nb",x\nc\n', r"test.csv:4: .* found 1"),
        ("text,text,label\na,b,x\n", "more than one column is called `text`"),
        ('text,label\n"a" b,x\n', r"(?s)test.csv:2: not comma separated.*quotation mark"),
        ('text,label\n"a,x\nb,y\n', r"(?s)test.csv:2: not comma separated.*not closed"),
        ("text,label\n", "no rows in .*test.csv"),
        ("", "no rows in .*test.csv"),
        ("text;label\na;x\n", r"(?s)its columns are `text;label`.*between commas"),
        ("text,label\na,\n", r"test.csv:2: the column 'label' has an empty text; found text='a'"),
        ("text,label\na,x\n  ,x\n", r"test.csv:3: the column 'text' has an empty text"),
    ],
)
def test_what_is_wrong_with_a_table(tmp_path: Path, text: str, words: str) -> None:
    write(tmp_path, test_csv=text)
    with pytest.raises(DataError, match=words) as caught:
        load_rows(data(tmp_path), "test", CLASSIFICATION)
    assert str(tmp_path) in str(caught.value)


def test_other_encodings(tmp_path: Path) -> None:
    tmp_path.joinpath("test.csv").write_bytes("text,label\na,x\nbé,y\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"(?s)not UTF-8: the byte 0xe9.*iconv"):
        load_rows(data(tmp_path), "test", CLASSIFICATION)


@pytest.mark.parametrize("cut", [slice(None, -12), slice(2, None)])
def test_a_damaged_archive(tmp_path: Path, cut: slice) -> None:
    whole = gzip.compress(b"text,label\n" + b"a,x\n" * 1000)
    tmp_path.joinpath("test.csv.gz").write_bytes(whole[cut])
    with pytest.raises(DataError, match="damaged after line"):
        load_rows(data(tmp_path), "test", CLASSIFICATION)
