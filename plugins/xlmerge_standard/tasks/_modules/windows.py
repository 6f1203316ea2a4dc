"""Texts as inputs of a length: joined for training, each for itself in evaluations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.errors import DataError, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["frame", "windows"]


def frame(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The special tokens that a tokenizer puts before and behind a text.

    Raises:
        ModelError: It does more than that.
    """
    inner = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    for at in range(len(whole) - len(inner) + 1):
        if whole[at : at + len(inner)] == inner:
            return list(whole[:at]), list(whole[at + len(inner) :])
    raise ModelError(
        f"{type(tokenizer).__name__} does not put special tokens around a text but makes other "
        f"tokens of it: {inner} became {whole}"
    )


def windows(texts: Sequence[str], tokenizer: Any, length: int) -> Iterator[tuple[int, list[int]]]:
    """Each text as inputs of at most ``length`` tokens, special ones included.

    Yields:
        The number of the text, and token ids. A text without tokens yields nothing.

    Raises:
        DataError: ``length`` has no room for anything but special tokens.
    """
    before, behind = frame(tokenizer)
    room = length - len(before) - len(behind)
    if room < 1:
        raise DataError(f"`max_length: {length}` has no room beside the special tokens")
    encoding = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    for at, ids in enumerate(encoding):
        for start in range(0, len(ids), room):
            yield at, [*before, *ids[start : start + room], *behind]
