"""Plain text, one row a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.runtime.data.lines import lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["plain_text"]


def plain_text(path: Path, _columns: Mapping[str, str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Lines as rows with the single column ``text``; lines without text are passed over.

    Yields:
        Number of the line, and ``text`` without the line's end.

    Raises:
        DataError: The file cannot be read.
    """
    for number, line in enumerate(lines(path), start=1):
        if text := line.rstrip("\n"):
            if text.isspace():
                continue
            yield number, {"text": text}
