"""What Unicode CLDR says in a language: names of things, and patterns with a number in them.

Only what the language's own table holds is taken. Babel's formatters fall back to the root table
without a word where a language has no entry (the Sicilian for 72 hours would be "-72 h"), so the
tables are read without inheritance.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any

from xlmerge.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from random import Random

__all__ = ["KINDS", "Phrasebook"]

KINDS = ("territory", "language", "currency", "unit", "date", "relative_time", "time_zone")
"""The types of phrases: the classes of the demonstration's task."""

_COUNTED = (
    *("year", "quarter", "month", "week", "day", "hour", "minute", "second"),
    *("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
)
_NUMBERS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 30, 40, 50, 60, 80, 100, 120, 250)
_WORD = re.compile(r"[^\W\d_]{2}")
_NEITHER_SEEN_NOR_MEANT = re.compile("[\u200e\u200f\u00ad]")


class Phrasebook:
    """The entries of one language, by kind and by CLDR's code.

    Args:
        language: A code that CLDR has a table for, as ``hsb``.

    Raises:
        DataError: There is no such table.
    """

    def __init__(self, language: str) -> None:
        from babel import Locale, UnknownLocaleError, localedata

        try:
            self._locale = Locale(language)
        except (UnknownLocaleError, ValueError):
            raise DataError(
                f"languages: CLDR has no table for {language!r}",
                hint="give codes of languages as CLDR writes them: cs, hsb, pt",
            ) from None
        self.language = language
        own: Any = localedata.load(language, merge_inherited=False)
        english: Any = {} if language == "en" else localedata.load("en", merge_inherited=False)
        self._names = {
            "territory": _named(own, english, "territories"),
            "language": _named(own, english, "languages"),
            "currency": _named(own, english, "currency_names"),
            "time_zone": _differing(_zones(own), _zones(english)),
        }
        self._plurals = own.get("currency_names_plural", {})
        self._patterns = {"unit": dict(_units(own)), "relative_time": dict(_relatives(own))}
        has_dates = _has_dates(own)
        self._months = range(1, 13) if has_dates else ()
        self._lists = own.get("list_patterns", {}).get("standard", {})

    def codes(self, kind: str) -> tuple[str, ...]:
        """The codes of a kind that this language has an entry for, in order."""
        if kind == "date":
            return tuple(str(month) for month in self._months)
        return tuple(sorted(self._names[kind] if kind in self._names else self._patterns[kind]))

    def phrase(self, kind: str, code: str, random: Random) -> str:
        """One entry as text.

        Currencies and units come with a number in the right plural, dates with a day and a year.
        """
        number = random.choice(_NUMBERS)
        plural = self._locale.plural_form(number)
        if kind == "date":
            return self._date(int(code), random)
        if kind in self._patterns:
            forms = self._patterns[kind][code]
            pattern = random.choice(forms)
            return _tidy(pattern.get(plural, pattern["other"]).replace("{0}", str(number)))
        if kind == "currency":
            plurals = self._plurals_of(kind, code)
            name = plurals.get(plural) or plurals.get("other") or self._names[kind][code]
            return _tidy(f"{number} {name}")
        return str(self._names[kind][code])

    def wordings(self, kind: str, code: str) -> set[str]:
        """Every text that an entry can become, numbers left out; none for dates."""
        if kind == "date":
            return set()
        if kind in self._patterns:
            forms = [text for each in self._patterns[kind][code] for text in each.values()]
            return {_tidy(text.replace("{0}", "")) for text in forms}
        return {self._names[kind][code], *map(_tidy, self._plurals_of(kind, code).values())}

    def joined(self, phrases: list[str]) -> str:
        """A list as the language writes it: ``a, b a c``."""
        if len(phrases) == 1:
            return phrases[0]
        if len(phrases) == 2:
            return _tidy(self._pair("2", *phrases))
        text = self._pair("end", phrases[-2], phrases[-1])
        for phrase in reversed(phrases[1:-2]):
            text = self._pair("middle", phrase, text)
        return _tidy(self._pair("start", phrases[0], text))

    def _plurals_of(self, kind: str, code: str) -> Mapping[str, str]:
        found: Mapping[str, str] = self._plurals.get(code, {}) if kind == "currency" else {}
        return found

    def _pair(self, name: str, first: str, second: str) -> str:
        # Not str.format: names may hold braces.
        pattern = str(self._lists.get(name, "{0}, {1}"))
        left, _, rest = pattern.partition("{0}")
        middle, _, right = rest.partition("{1}")
        return f"{left}{first}{middle}{second}{right}"

    def _date(self, month: int, random: Random) -> str:
        from babel.dates import format_date

        day = date(random.randint(1950, 2030), month, random.randint(1, 28))
        return _tidy(format_date(day, random.choice(("full", "long")), locale=self._locale))


def _tidy(text: str) -> str:
    """One space between words, plain apostrophes, nothing invisible."""
    text = _NEITHER_SEEN_NOR_MEANT.sub("", text).replace("’", "'").replace("‘", "'")
    return " ".join(text.split())


def _named(own: Mapping[str, Any], english: Mapping[str, Any], table: str) -> dict[str, str]:
    return _differing(own.get(table, {}), english.get(table, {}))


def _differing(names: Mapping[str, str], english: Mapping[str, str]) -> dict[str, str]:
    """Names in words, without those that are the English ones.

    Most of these were never translated. Some are true cognates; they are lost.
    """
    kept = {}
    for code, name in names.items():
        text = _tidy(name or "")
        is_word = len(text) > 2 and _WORD.search(text) and text != code
        if is_word and text.casefold() != _tidy(english.get(code) or "").casefold():
            kept[code] = text
    return kept


def _zones(table: Mapping[str, Any]) -> dict[str, str]:
    zones = {}
    for code, forms in table.get("meta_zones", {}).items():
        long = forms.get("long") or {}
        if name := long.get("standard") or long.get("generic"):
            zones[code] = name
    return zones


def _units(table: Mapping[str, Any]) -> Iterator[tuple[str, list[Mapping[str, str]]]]:
    """Units but those of time, which look like relative times."""
    for code, widths in table.get("unit_patterns", {}).items():
        forms = widths.get("long") or {}
        if not code.startswith("duration") and _is_pattern(forms.get("other")):
            yield code, [forms]


def _relatives(table: Mapping[str, Any]) -> Iterator[tuple[str, list[Mapping[str, str]]]]:
    """What is counted from now: ``in 3 days``, ``3 days ago``."""
    for code in _COUNTED:
        field = table.get("date_fields", {}).get(code) or {}
        forms = [field.get(side) or {} for side in ("past", "future")]
        if all(_is_pattern(form.get("other")) for form in forms):
            yield code, forms


def _is_pattern(text: str | None) -> bool:
    return bool(text) and "{0}" in str(text) and bool(_WORD.search(str(text).replace("{0}", "")))


def _has_dates(table: Mapping[str, Any]) -> bool:
    """Whether months are words here and there is a pattern to put them in."""
    months = table.get("months", {}).get("format", {}).get("wide", {})
    formats = table.get("date_formats", {})
    return all(_WORD.search(str(months.get(month, ""))) for month in range(1, 13)) and all(
        name in formats for name in ("full", "long")
    )
