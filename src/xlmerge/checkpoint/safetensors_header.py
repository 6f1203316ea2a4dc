"""The header of a safetensors file: JSON in, checked entries out.

As strict as the safetensors package, and stricter where the package takes what no writer produces:
a key that occurs twice (the package keeps the last), an entry or a dtype spelt as another JSON type
than the format says, and any number but whole ones from 0 to 2^64 - 1 even in fields nobody reads.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xlmerge.checkpoint.dtypes import DTYPE_OF_CODE, Dtype
from xlmerge.checkpoint.positioned_file import DAMAGED
from xlmerge.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import NoReturn

__all__ = ["MAX_HEADER", "METADATA_KEY", "Entry", "parse_header"]

MAX_HEADER = 100_000_000  # bytes: the format's own limit
METADATA_KEY = "__metadata__"
_MAX_COUNT = 2**64 - 1  # the format counts in unsigned 64-bit integers


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor of the header.

    Attributes:
        dtype: Its element type.
        shape: Lengths of its axes.
        begin: Its first byte, counted from the start of the data section.
        end: The byte after its last.
    """

    dtype: Dtype
    shape: tuple[int, ...]
    begin: int
    end: int


def parse_header(
    path: Path, text: bytes, data_size: int
) -> tuple[dict[str, Entry], Mapping[str, str]]:
    """Read and check a header.

    Args:
        path: The file, for messages.
        text: The header's bytes, padding included.
        data_size: Length of the data section that follows it, in bytes.

    Returns:
        The tensors by name, in the order of the header, and the file's metadata.

    Raises:
        CheckpointError: It is not what the format allows, or does not describe the data section.
    """
    header = _parse_json(path, text)
    metadata = header.pop(METADATA_KEY, None)
    if metadata is None:
        metadata = {}
    if not isinstance(metadata, dict) or not all(
        isinstance(value, str) for value in metadata.values()
    ):
        _refuse(path, f"{METADATA_KEY} must map strings to strings")
    entries = {name: _parse_entry(path, name, entry) for name, entry in header.items()}
    _check_layout(path, entries, data_size)
    return entries, metadata


def _refuse(path: Path, what: str) -> NoReturn:
    raise CheckpointError(f"{path}: not a valid safetensors file: {what}", hint=DAMAGED) from None


def _parse_json(path: Path, text: bytes) -> dict[str, object]:
    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
            _refuse(path, f"the key {twice!r} occurs twice in the header")
        return found

    def no_float(number: str) -> NoReturn:
        _refuse(path, f"the header holds the number {number}, expected whole numbers")

    def whole(digits: str) -> int:
        # Python would read -0 as 0, and refuses thousands of digits with an error of its own.
        if digits.startswith("-") or len(digits) > 20:
            _refuse(path, f"the header holds the number {digits[:24]}, expected 0 to 2^64 - 1")
        return int(digits)

    try:
        header = json.loads(
            text.decode(),
            object_pairs_hook=unique,
            parse_float=no_float,
            parse_constant=no_float,
            parse_int=whole,
        )
        if b"\\u" in text:
            # JSON can spell halves of surrogate pairs, which are no text.
            json.dumps(header, ensure_ascii=False).encode()
    except CheckpointError:
        raise
    except UnicodeError:
        _refuse(path, "the header is not UTF-8 text")
    except (ValueError, RecursionError) as error:
        _refuse(path, f"the header is not JSON ({error})")
    if not isinstance(header, dict):
        _refuse(path, "the header is not a JSON object")
    return header


def _parse_entry(path: Path, name: str, entry: object) -> Entry:
    if not isinstance(entry, dict):
        _refuse(path, f"tensor {name!r}: expected a JSON object, found {entry!r:.60}")
    code = entry.get("dtype")
    dtype = DTYPE_OF_CODE.get(code) if isinstance(code, str) else None
    if dtype is None:
        _refuse(path, f"tensor {name!r}: unknown dtype {code!r:.60}")
    shape = _whole_numbers(path, name, entry, "shape")
    offsets = _whole_numbers(path, name, entry, "data_offsets")
    if len(offsets) != 2 or offsets[0] > offsets[1]:
        _refuse(path, f"tensor {name!r}: data_offsets must be [begin, end], found {list(offsets)}")
    bits = dtype.bits * _count(path, name, shape)
    if bits > _MAX_COUNT:
        _refuse(path, f"tensor {name!r}: shape {list(shape)} is too large to count")
    size = offsets[1] - offsets[0]
    if bits != 8 * size:
        _refuse(
            path,
            f"tensor {name!r}: shape {list(shape)} of {code} takes {bits / 8:g} bytes,"
            f" but data_offsets {list(offsets)} hold {size}",
        )
    return Entry(dtype, shape, *offsets)


def _whole_numbers(path: Path, name: str, entry: dict[str, object], field: str) -> tuple[int, ...]:
    values = entry.get(field)
    if not isinstance(values, list) or not all(
        type(value) is int and 0 <= value <= _MAX_COUNT for value in values
    ):
        _refuse(
            path, f"tensor {name!r}: {field} must be a list of whole numbers, found {values!r:.60}"
        )
    return tuple(values)


def _count(path: Path, name: str, shape: tuple[int, ...]) -> int:
    count = 1
    for length in shape:
        count *= length
        # Checked at each step, as the package does: a later 0 does not make up for it.
        if count > _MAX_COUNT:
            _refuse(path, f"tensor {name!r}: shape {list(shape)} is too large to count")
    return count


def _check_layout(path: Path, entries: Mapping[str, Entry], data_size: int) -> None:
    position = 0
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.begin != position:
            kind = "overlaps the one before it" if entry.begin < position else "leaves a hole"
            _refuse(
                path,
                f"tensor {name!r} {kind}: expected it to begin at byte {position} of the data,"
                f" found {entry.begin}",
            )
        position = entry.end
    if position != data_size:
        kind = "is cut off" if position > data_size else "goes on after the last tensor"
        _refuse(path, f"the data section {kind}: expected {position} bytes, found {data_size}")
