"""What is trained and tested on: labelled phrases, and lists of phrases without labels.

An entry of CLDR goes to one side, training or test, by its code. The side is the same in every
language, so the Sorbian name of a country that is tested on has no Czech counterpart among the
labelled phrases, and it stands in no unlabelled list either.
"""

from __future__ import annotations

import re
from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING

from xlmerge.demo.phrasebook import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xlmerge.demo.phrasebook import Phrasebook

__all__ = ["labelled_phrases", "side_of", "unlabelled_lists"]

_TRIES = 40  # an entry with a number in it gives many phrases


def side_of(kind: str, code: str) -> str:
    """``train`` or ``test``: about three entries in five are for training."""
    return "train" if sha256(f"{kind}:{code}".encode()).digest()[0] < 154 else "test"


def labelled_phrases(book: Phrasebook, side: str, per_kind: int) -> list[tuple[str, str]]:
    """Pairs of a phrase and its kind, in random order.

    Args:
        book: The language.
        side: ``train`` or ``test``.
        per_kind: Phrases of each kind, where CLDR has so many.
    """
    random = Random(f"{book.language} {side}")  # noqa: S311 - no secret; the same on every machine
    taken = _ambiguous(book)
    if side == "test":
        taken |= {words for words, _ in _of_side(book, "train")}
    rows: list[tuple[str, str]] = []
    for kind in KINDS:
        rows += [(phrase, kind) for phrase in _some(book, kind, side, per_kind, taken, random)]
    random.shuffle(rows)
    return rows


def unlabelled_lists(book: Phrasebook, lines: int, *, longest: int = 4) -> list[str]:
    """Lists of two phrases or more, for masked language modelling; of training entries only.

    A list is of one kind, as lists are. What is masked then depends on the kind of its neighbours,
    so there is something of the task's to be learnt without labels.

    Args:
        book: The language.
        lines: How many.
        longest: Most phrases in one.
    """
    random = Random(f"{book.language} lists")  # noqa: S311 - as above
    entries = {
        kind: [code for code in book.codes(kind) if side_of(kind, code) == "train"]
        for kind in KINDS
    }
    kinds = [kind for kind in KINDS if entries[kind]]
    texts = []
    for _ in range(lines):
        kind = random.choice(kinds)
        codes = random.choices(entries[kind], k=random.randint(2, longest))
        texts.append(book.joined([book.phrase(kind, code, random) for code in codes]))
    return texts


def _some(
    book: Phrasebook, kind: str, side: str, most: int, taken: set[str], random: Random
) -> Iterator[str]:
    """At most so many phrases, each entry once before any comes twice."""
    codes = [code for code in book.codes(kind) if side_of(kind, code) == side]
    random.shuffle(codes)
    seen: set[str] = set()
    for _ in range(_TRIES):
        for code in codes:
            phrase = book.phrase(kind, code, random)
            if len(seen) < most and phrase not in seen and _bare(phrase) not in taken:
                seen.add(phrase)
                yield phrase


def _of_side(book: Phrasebook, side: str) -> Iterator[tuple[str, str]]:
    """Every wording of every entry, bare, with its kind."""
    for kind in KINDS:
        for code in book.codes(kind):
            if side_of(kind, code) == side:
                yield from ((_bare(wording), kind) for wording in book.wordings(kind, code))


def _ambiguous(book: Phrasebook) -> set[str]:
    """Words that are of two kinds, such as a territory and a language of one name."""
    kind_of: dict[str, str] = {}
    twice = set()
    for side in ("train", "test"):
        for words, kind in _of_side(book, side):
            if kind_of.setdefault(words, kind) != kind:
                twice.add(words)
    return twice


def _bare(phrase: str) -> str:
    """Without numbers and case: what two phrases of one entry have in common."""
    return re.sub(r"[\d\W_]+", " ", phrase).strip().casefold()
