"""Texts as inputs of a length, each for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.errors import DataError
from xlmerge.runtime.data import special_frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["windows"]


def windows(
    texts: Sequence[str], tokenizer: Any, length: int
) -> Iterator[tuple[int, int, list[int]]]:
    """Each text as inputs of at most ``length`` tokens, special ones included.

    Yields:
        The number of the text, that of the window in it, and token ids. A text without tokens
        yields nothing.

    Raises:
        DataError: ``length`` has no room for anything but special tokens.
    """
    before, behind = special_frame(tokenizer)
    room = length - len(before) - len(behind)
    if room < 1:
        raise DataError(f"`max_length: {length}` has no room beside the special tokens")
    encoding = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    for at, ids in enumerate(encoding):
        for number, start in enumerate(range(0, len(ids), room)):
            yield at, number, [*before, *ids[start : start + room], *behind]
