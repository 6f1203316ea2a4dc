"""Sentences of words as inputs of a length, without losing a word."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from xlmerge.errors import DataError, ModelError
from xlmerge.runtime.data import special_frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["WordWindow", "word_windows"]


@dataclass(frozen=True, slots=True)
class WordWindow:
    """A part of a sentence as an input.

    Attributes:
        row: The sentence.
        ids: Token ids, special ones included.
        words: The words whose tags are read here.
        places: Where the first token of each of them is in ``ids``.
    """

    row: int
    ids: list[int]
    words: list[int]
    places: list[int]


def word_windows(
    sentences: Sequence[Sequence[str]], tokenizer: Any, length: int
) -> Iterator[WordWindow]:
    """Sentences as inputs of at most ``length`` tokens, in which each word is read once.

    Windows over a long sentence share about a quarter of their room. A word in two of them is read
    in the one in which it is farther from the edge. Of a word longer than a window the end is left
    out; a word of which the tokenizer makes nothing is read as the unknown token.

    Raises:
        DataError: ``length`` has no room for anything but special tokens.
        ModelError: The tokenizer cannot tell which word a token is of.
    """
    before, behind = special_frame(tokenizer)
    room = length - len(before) - len(behind)
    if room < 1:
        raise DataError(f"`max_length: {length}` has no room beside the special tokens")
    for row, pieces in enumerate(_pieces(sentences, tokenizer, room)):
        bounds = list(_bounds([len(piece) for piece in pieces], room))
        # Between the middles of the overlaps with its neighbours a window is read.
        middles = [(next_start + end) // 2 for (_, end), (next_start, _) in pairwise(bounds)]
        edges = [0, *middles, len(pieces)]
        for at, (start, end) in enumerate(bounds):
            ids, places = list(before), {}
            for word in range(start, end):
                places[word] = len(ids)
                ids += pieces[word]
            words = list(range(edges[at], edges[at + 1]))
            yield WordWindow(row, [*ids, *behind], words, [places[word] for word in words])


def _bounds(sizes: Sequence[int], room: int) -> Iterator[tuple[int, int]]:
    """First word and the word behind the last, for each window over words of these sizes."""
    start = 0
    while start < len(sizes):
        end, used = start, 0
        while end < len(sizes) and used + sizes[end] <= room:
            used += sizes[end]
            end += 1
        yield start, end
        if end == len(sizes):
            return
        # Back by a quarter of the room, as long as the next word still fits.
        left, shared, behind = end, 0, min(room // 4, room - sizes[end])
        while left - 1 > start and shared + sizes[left - 1] <= behind:
            left -= 1
            shared += sizes[left]
        start = left


def _pieces(
    sentences: Sequence[Sequence[str]], tokenizer: Any, room: int
) -> Iterator[list[list[int]]]:
    """Token ids of each word of each sentence; at least one a word and at most ``room``."""
    if not tokenizer.is_fast:
        raise ModelError(
            f"{type(tokenizer).__name__} cannot tell which word a token is of",
            hint="the base model needs a tokenizer.json (a fast tokenizer)",
        )
    full = [list(sentence) for sentence in sentences if sentence]
    try:
        encoding: Any = (
            tokenizer(full, is_split_into_words=True, add_special_tokens=False, verbose=False)
            if full
            else None
        )
    except AssertionError as error:  # byte-level tokenizers want to be told about spaces
        raise ModelError(
            f"{type(tokenizer).__name__} does not take words: {error}",
            hint="set `add_prefix_space` to true in the base model's tokenizer_config.json",
        ) from error
    at = 0
    for sentence in sentences:
        pieces: list[list[int]] = [[] for _ in sentence]
        if sentence:
            ids = encoding["input_ids"][at]
            for token, word in zip(ids, encoding.word_ids(at), strict=True):
                pieces[word].append(token)
            at += 1
        yield [piece[:room] or [tokenizer.unk_token_id] for piece in pieces]
