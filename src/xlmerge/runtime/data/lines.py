"""Lines of text files, with what can be wrong with them said by file and line."""

from __future__ import annotations

import gzip
import zlib
from typing import IO, TYPE_CHECKING, cast

from xlmerge.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["lines", "text_of"]


def lines(path: Path, *, newline: str | None = None) -> Iterator[str]:
    r"""The lines of a file in UTF-8, with or without a byte order mark; ``.gz`` is unpacked.

    Args:
        path: The file.
        newline: As for :func:`open`: None for plain lines that end in ``\n`` whatever the file
            has, an empty text to leave line ends as they are.

    Raises:
        DataError: It cannot be read, is damaged, or is not UTF-8.
    """
    number = 0
    try:
        with _opened(path, newline) as file:
            for line in file:
                number += 1
                yield line
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not UTF-8: the byte 0x{error.object[error.start]:02x} after line {number}",
            hint="convert it, as in `iconv -f LATIN1 -t UTF-8`",
        ) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path}: damaged after line {number}: {error}", hint="fetch or pack it again"
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def text_of(path: Path) -> str:
    """The whole text of a file.

    Raises:
        DataError: As for :func:`lines`.
    """
    return "".join(lines(path))


def _opened(path: Path, newline: str | None) -> IO[str]:
    if path.name.lower().endswith(".gz"):
        packed = gzip.open(path, "rt", encoding="utf-8-sig", newline=newline)  # noqa: SIM115
        return cast("IO[str]", packed)
    return path.open(encoding="utf-8-sig", newline=newline)
