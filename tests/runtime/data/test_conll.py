"""One token a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from xlmerge.errors import DataError
from xlmerge.runtime.data import load_rows

from .asked import TAGGING, data, task, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.libraries

CONLLU = """\
# newdoc id = 1
# text = Rumahnya besar.
1-2\tRumahnya\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No
1\tRumah\trumah\tNOUN\t_\t_\t0\troot\t_\t_
2\tnya\tdia\tPRON\t_\t_\t1\tdet\t_\t_
2.1\tada\tada\tVERB\t_\t_\t_\t_\t1:x\t_
3\tbesar\tbesar\tADJ\t_\t_\t1\tx\t_\t_

# text = #
1\t#\t#\tSYM\t_\t_\t0\troot\t_\t_
"""


def read(folder: Path, text: str, **fields: object) -> list[tuple[list[str], list[str]]]:
    write(folder, test_conll=text)
    rows = load_rows(data(folder, **fields), "test", TAGGING)
    return [(row["tokens"], row["tags"]) for row in rows]


@pytest.mark.parametrize("separator", ["\t", " ", "  "])
def test_two_columns(tmp_path: Path, separator: str) -> None:
    text = "Saya O\ndi O\nSurabaya B-LOC\n\n\n# O\n\nYa O".replace(" ", separator)
    assert read(tmp_path, text) == [
        (["Saya", "di", "Surabaya"], ["O", "O", "B-LOC"]),
        (["#"], ["O"]),
        (["Ya"], ["O"]),
    ]


def test_a_token_may_hold_spaces_and_begin_with_a_hash(tmp_path: Path) -> None:
    text = "# sent_id = 1\n#\tO\n#tagar\tO\nNew York\tB-LOC\n"
    assert read(tmp_path, text) == [(["#", "#tagar", "New York"], ["O", "O", "B-LOC"])]


def test_the_last_column_holds_the_tags(tmp_path: Path) -> None:
    text = "-DOCSTART- -X- O O\n\nSurabaya NNP I-NP B-LOC\n"
    assert read(tmp_path, text) == [(["Surabaya"], ["B-LOC"])]


def test_comments_between_spaces(tmp_path: Path) -> None:
    assert read(tmp_path, "# a comment\nYa O\n") == [(["Ya"], ["O"])]


@pytest.mark.parametrize("tag", ["3", "-7"])
def test_conllu(tmp_path: Path, tag: str) -> None:
    assert read(tmp_path, CONLLU, columns={"tokens": "1", "tags": tag}) == [
        (["Rumah", "nya", "besar"], ["NOUN", "PRON", "ADJ"]),
        (["#"], ["SYM"]),
    ]


def test_other_columns(tmp_path: Path) -> None:
    write(tmp_path, test_conllu=CONLLU)
    rows = load_rows(
        data(tmp_path, columns={"tokens": "1", "lemmas": "2"}), "test", task("tokens", "lemmas")
    )
    assert rows[0]["lemmas"] == ["rumah", "dia", "besar"]


@pytest.mark.parametrize(
    ("text", "fields", "words"),
    [
        ("a\tO\nb\n", {}, "test.conll:2: expected 2 fields between tabs, .* found 1"),
        ("a O\nb c O\n", {}, "test.conll:2: expected 2 fields between spaces, .* found 3"),
        ("a\tO\n\nb\tO\n\tO\n", {}, r"test.conll:3: the column 'tokens' has a list with an empty"),
        ("a\tO\n", {"columns": {"tokens": "form"}}, "(?s)said to be 'form'.*its number"),
        ("a\tO\n", {"columns": {"tags": "2"}}, "a token has 2 fields, 0 to 1"),
        ("a\nb\n", {}, "needs the column 'tags' .* its columns are `tokens`"),
        ("\n\n", {}, "no rows"),
    ],
)
def test_what_is_wrong(tmp_path: Path, text: str, fields: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        read(tmp_path, text, **fields)
