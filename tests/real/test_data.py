"""Real data sets in their own formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytestmark = [pytest.mark.real, pytest.mark.libraries]
datasets = pytest.importorskip("datasets")

from xlmerge.plan.request import DataRequest  # noqa: E402
from xlmerge.plugin.tasks import Task  # noqa: E402
from xlmerge.runtime.data import class_ids, class_names, load_rows  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

UPOS = [
    "ADJ",
    "ADP",
    "ADV",
    "AUX",
    "CCONJ",
    "DET",
    "INTJ",
    "NOUN",
    "NUM",
    "PART",
    "PRON",
    "PROPN",
    "PUNCT",
    "SCONJ",
    "SYM",
    "VERB",
    "X",
]
BIO = ["B-LOC", "B-ORG", "B-PER", "I-LOC", "I-ORG", "I-PER", "O"]


@pytest.fixture
def load(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Rows of a data set below the shared folder; the cache is thrown away."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")

    def rows(path: str, split: str, *columns: str, **fields: Any) -> Any:
        task = Task(
            name="some_task",
            summary="Nothing.",
            source="This test.",
            function=lambda: None,
            columns=dict.fromkeys(columns, "whatever it is"),
            labels=columns[-1] if len(columns) > 1 else None,
            metric="accuracy",
        )
        return load_rows(
            DataRequest(name="real", path=path, start=shared_data, **fields), split, task
        )

    return rows


@pytest.mark.parametrize(("split", "count"), [("train", 500), ("validation", 100), ("test", 400)])
def test_nusax(load: Callable[..., Any], split: str, count: int) -> None:
    labels = ("negative", "neutral", "positive")
    parallel = [
        load(f"nusax_senti/{language}", split, "text", "label", labels=labels)
        for language in ("ind", "mad", "bbc")
    ]
    assert [len(rows) for rows in parallel] == [count] * 3
    assert parallel[0]["label"][:] == parallel[1]["label"][:]
    assert set(parallel[0]["label"]) == {0, 1, 2}
    assert class_names(parallel[0], "label") == labels


def test_nusatranslation(load: Callable[..., Any]) -> None:
    rows = load("nusatrans_senti/mad", "test", "text", "label")
    assert len(rows) == 1200
    assert class_names(rows, "label") == ("negative", "positive")


def test_packed_paragraphs(load: Callable[..., Any]) -> None:
    rows = load("nusapara_topic/bbc", "test", "text", "label", limit={"test": 50})
    assert len(rows) == 50
    assert max(map(len, rows["text"])) > 500
    assert "food & beverages" in class_names(rows, "label")


def test_parts_of_speech(load: Callable[..., Any]) -> None:
    rows = load("pos/jav_csui", "test", "tokens", "tags", format="conll")
    assert len(rows) == 1000
    assert set(class_names(rows, "tags")) <= set(UPOS)
    assert rows[0]["tokens"][:3] == ["Bocah", "kuwi", "seneng"]
    assert rows[0]["tags"][:3] == ["NOUN", "DET", "VERB"]


@pytest.mark.parametrize(
    ("path", "counts"),
    [("ner/ind_nergrit", (1672, 209, 209)), ("ner/ind_nerp", (6720, 840, 840))],
)
def test_entities(load: Callable[..., Any], path: str, counts: tuple[int, int, int]) -> None:
    for split, count in zip(("train", "dev", "test"), counts, strict=True):
        rows = load(path, split, "tokens", "tags", format="conll")
        assert len(rows) == count
        assert all(len(row["tokens"]) == len(row["tags"]) for row in rows)
        assert set(BIO) <= set(class_names(rows, "tags"))


def test_declared_tags(load: Callable[..., Any]) -> None:
    rows = load("ner/eng_uner", "test", "tokens", "tags", format="conll", labels=tuple(BIO))
    assert len(rows) == 2077
    assert rows[0] == {"tokens": ["What", "is", "this", "Miramar", "?"], "tags": [6, 6, 6, 0, 6]}
    assert class_ids(rows, "tags", BIO[::-1])[0] == [0, 0, 0, 6, 0]


def test_text_and_pairs(load: Callable[..., Any]) -> None:
    assert len(load("text/mad.txt.gz", "train", "text")) > 1000
    assert len(load("text/mad.valid.txt", "valid", "text")) == 220
    columns = {"source": "0", "target": "1"}
    pairs = load("parallel/ind-mad.tsv.gz", "train", "source", "target", columns=columns)
    assert pairs[0]["source"].startswith("Nikmati cicilan")
    assert pairs[0]["target"].startswith("Nikmati cecelan")
