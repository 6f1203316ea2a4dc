"""What is taken from CLDR, and what is not."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from xlmerge.demo.phrasebook import KINDS, Phrasebook
from xlmerge.errors import DataError


class Rigged(Random):
    """Draws one number, and the first of everything else."""

    def __init__(self, number: int) -> None:
        super().__init__(0)
        self._number = number

    def choice(self, seq: Any) -> Any:
        return self._number if seq[0] == 2 else seq[0]


def test_names() -> None:
    book = Phrasebook("cs")
    assert book.phrase("territory", "DE", Random(0)) == "Německo"
    assert book.phrase("language", "lt", Random(0)) == "litevština"


@pytest.mark.parametrize(
    ("number", "past", "metres"),
    [(2, "před 2 dnjomaj", "2 metraj"), (3, "před 3 dnjemi", "3 metry"), (5, None, "5 metrow")],
)
def test_numbers_bring_their_plural(number: int, past: str | None, metres: str) -> None:
    """Upper Sorbian has a dual and a plural for three and four."""
    book, rigged = Phrasebook("hsb"), Rigged(number)
    if past is not None:
        assert book.phrase("relative_time", "day", rigged) == past
    assert book.phrase("unit", "length-meter", rigged) == metres


def test_currencies_bring_a_number() -> None:
    assert Phrasebook("cs").phrase("currency", "CZK", Rigged(5)) == "5 českých korun"


def test_dates_are_words_of_the_language() -> None:
    found = {Phrasebook("hsb").phrase("date", "3", Random(seed)) for seed in range(20)}
    assert all("měrca" in date for date in found)
    assert len({len(date.split()) for date in found}) == 2  # with and without the day of the week


def test_names_that_are_the_english_ones_are_left_out() -> None:
    english, czech = Phrasebook("en"), Phrasebook("cs")
    assert "GU" in english.codes("territory")  # Guam, in both
    assert "GU" not in czech.codes("territory")


def test_nothing_is_inherited_from_the_root() -> None:
    """Sicilian has no units; a formatter would give the root's."""
    assert Phrasebook("scn").codes("unit") == ()
    assert Phrasebook("nds").codes("relative_time") == ()


def test_durations_are_no_units() -> None:
    assert not [code for code in Phrasebook("cs").codes("unit") if code.startswith("duration")]


@pytest.mark.parametrize(
    ("language", "count", "text"),
    [
        ("cs", 1, "a"),
        ("cs", 2, "a a b"),
        ("cs", 3, "a, b a c"),
        ("cs", 4, "a, b, c a d"),
        ("sl", 3, "a, b in c"),
    ],
)
def test_lists(language: str, count: int, text: str) -> None:
    assert Phrasebook(language).joined(list("abcd")[:count]) == text


def test_braces_in_names_are_no_places() -> None:
    assert Phrasebook("cs").joined(["{1}", "b"]) == "{1} a b"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_phrases(kind: str) -> None:
    book = Phrasebook("dsb")
    assert len(book.codes(kind)) >= 12
    for code in book.codes(kind):
        phrase = book.phrase(kind, code, Random(0))
        assert phrase == " ".join(phrase.split())
        assert "{0}" not in phrase
        assert any(letter.isalpha() for letter in phrase)


@pytest.mark.parametrize("language", ["xx", "", "en-nowhere"])
def test_unknown_languages(language: str) -> None:
    with pytest.raises(DataError, match="CLDR has no table"):
        Phrasebook(language)
