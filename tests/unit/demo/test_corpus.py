"""No entry stands on both sides, and everything is the same on every machine."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from random import Random

import pytest

from xlmerge.demo.corpus import labelled_phrases, side_of, unlabelled_lists
from xlmerge.demo.phrasebook import KINDS, Phrasebook
from xlmerge.demo.settings import SOURCE, Settings

LANGUAGES = Settings().languages
NAMED = ("territory", "language", "time_zone")  # phrases without a number: the entry itself


@cache
def book(language: str) -> Phrasebook:
    return Phrasebook(language)


def bare(text: str) -> str:
    return re.sub(r"[\d\W_]+", " ", text).strip().casefold()


def test_sides_are_about_three_to_two() -> None:
    sides = Counter(side_of(k, code) for k in KINDS for code in book("en").codes(k))
    assert 0.55 < sides["train"] / sides.total() < 0.65


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_on_both_sides(kind: str) -> None:
    assert len({side_of(kind, code) for code in book(SOURCE).codes(kind)}) == 2


@pytest.mark.parametrize("language", LANGUAGES)
def test_test_phrases_are_as_many_as_asked_for(language: str) -> None:
    rows = labelled_phrases(book(language), "test", 48)
    assert Counter(kind for _, kind in rows) == dict.fromkeys(KINDS, 48)
    assert len({phrase for phrase, _ in rows}) == len(rows)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_test_phrase_is_a_training_phrase(language: str) -> None:
    """Numbers apart: 3 days and 4 days are one entry."""
    test = {bare(phrase) for phrase, _ in labelled_phrases(book(language), "test", 48)}
    train = {bare(phrase) for phrase, _ in labelled_phrases(book(language), "train", 300)}
    assert not test & train


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_test_entry_stands_in_a_list(language: str) -> None:
    held_out, allowed = set(), set()
    for kind in NAMED:
        for code in book(language).codes(kind):
            phrase = book(language).phrase(kind, code, Random(0))
            (allowed if side_of(kind, code) == "train" else held_out).add(phrase)
    items = {
        item
        for line in unlabelled_lists(book(language), 800)
        for item in re.split(r", | (?:a|in) ", line)
    }
    assert items & allowed
    assert not items & (held_out - allowed)


def test_a_phrase_of_two_kinds_is_left_out() -> None:
    class TwoOfOneName(Phrasebook):
        def codes(self, kind: str) -> tuple[str, ...]:
            return ("1", "2", "3", "4") if kind in {"territory", "language"} else ()

        def phrase(self, kind: str, code: str, random: Random) -> str:
            return (
                "Samoa"
                if code == "2"
                else f"{'island' if kind == 'territory' else 'tongue'} {chr(96 + int(code))}"
            )

        def wordings(self, kind: str, code: str) -> set[str]:
            return {self.phrase(kind, code, Random(0))}

    made = TwoOfOneName("cs")
    phrases = [p for side in ("train", "test") for p, _ in labelled_phrases(made, side, 9)]
    assert "Samoa" not in phrases
    assert len(phrases) == 6


@pytest.mark.parametrize("longest", [2, 4])
def test_lists_are_of_one_kind(longest: int) -> None:
    marked = {"language": "-tongue", "territory": "-land"}

    class Marked(Phrasebook):
        def codes(self, kind: str) -> tuple[str, ...]:
            return super().codes(kind) if kind in marked else ()

        def phrase(self, kind: str, code: str, random: Random) -> str:
            return code + marked[kind]

    lines = unlabelled_lists(Marked("cs"), 50, longest=longest)
    counts = [(line.count("-tongue"), line.count("-land")) for line in lines]
    assert all(min(pair) == 0 and 2 <= max(pair) <= longest for pair in counts)
    assert {max(pair) for pair in counts} == set(range(2, longest + 1))


_DIGEST = """
import hashlib
from xlmerge.demo.corpus import labelled_phrases, unlabelled_lists
from xlmerge.demo.phrasebook import Phrasebook
book = Phrasebook("hsb")
text = repr((labelled_phrases(book, "test", 20), unlabelled_lists(book, 50)))
print(hashlib.sha256(text.encode()).hexdigest())
"""


def test_the_same_in_every_process() -> None:
    made = book("hsb")
    text = repr((labelled_phrases(made, "test", 20), unlabelled_lists(made, 50)))
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", _DIGEST],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert done.stdout.strip() == hashlib.sha256(text.encode()).hexdigest()
