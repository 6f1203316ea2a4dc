"""When two names mean one base model."""

from __future__ import annotations

import pytest

from xlmerge.checkpoint.base_models import (
    KNOWN_ALIASES,
    canonical_base_model,
    same_base_model,
    same_by_folder_name,
)

SHA = "e73636d4f797dec63c3081bb6ed5c7b0bb3f2089"
CACHE = f"/cache/huggingface/hub/models--FacebookAI--xlm-roberta-base/snapshots/{SHA}"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("xlm-roberta-base", "FacebookAI/xlm-roberta-base"),
        ("bert-base-multilingual-cased", "google-bert/bert-base-multilingual-cased"),
        ("FacebookAI/xlm-roberta-base@main", "FacebookAI/xlm-roberta-base"),
        ("./models/xlm-roberta-base", "FacebookAI/xlm-roberta-base"),
        ("/data/models/xlm-roberta-base/", "xlm-roberta-base"),
        ("/data/a/mine", "/other/b/mine"),
        ("C:\\models\\mine", "../mine"),
        (CACHE, "xlm-roberta-base"),
        (CACHE, CACHE.replace(SHA, "0" * 40)),
        ("a/b/c", "x/c"),
        ("mine", "mine"),
    ],
)
def test_one_model(first: str, second: str) -> None:
    assert same_base_model(first, second)
    assert same_base_model(second, first)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("xlm-roberta-base", "xlm-roberta-large"),
        ("someone/xlm-roberta-base", "FacebookAI/xlm-roberta-base"),
        ("someone/model", "other/model"),
        ("roberta-base", "xlm-roberta-base"),
        ("/data/mine", "/data/yours"),
        (CACHE, "roberta-base"),
        ("", "mine"),
    ],
)
def test_two_models(first: str, second: str) -> None:
    assert not same_base_model(first, second)
    assert not same_base_model(second, first)


def test_aliases_that_the_user_gives() -> None:
    assert same_base_model("a/x", "b/y", ["a/x", "b/y"])
    assert same_base_model("a/x", "xlm-roberta-base", ["a/x", "FacebookAI/xlm-roberta-base"])
    assert not same_base_model("a/x", "b/y", ["a/x"])
    assert not same_base_model("a/x", "b/y", ["a/x", "c/z"])


def test_what_is_told_by_the_last_part_alone() -> None:
    assert same_by_folder_name("/data/a/mine", "/data/b/mine")
    assert same_by_folder_name("/data/xlm-roberta-base", "FacebookAI/xlm-roberta-base")
    assert not same_by_folder_name("/data/mine", "/data/mine")
    assert not same_by_folder_name(CACHE, "FacebookAI/xlm-roberta-base")
    assert not same_by_folder_name("xlm-roberta-base", "FacebookAI/xlm-roberta-base")


def test_known_aliases_lead_to_owners() -> None:
    for short, full in KNOWN_ALIASES.items():
        assert full.partition("/")[2] == short
        assert canonical_base_model(short) == canonical_base_model(full) == full
