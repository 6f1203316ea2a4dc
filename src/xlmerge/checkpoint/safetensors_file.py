"""Reading safetensors files: the header when opening, each tensor by one positioned read."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from xlmerge.checkpoint.file_kind import HEAD_SIZE, foreign_kind
from xlmerge.checkpoint.payload import byte_view, new_array, swap_bytes
from xlmerge.checkpoint.positioned_file import DAMAGED, PositionedFile
from xlmerge.checkpoint.safetensors_header import MAX_HEADER, parse_header
from xlmerge.errors import CheckpointError
from xlmerge.plugin.headers import TensorHeader

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import NoReturn, Self

    from xlmerge.checkpoint.tensor_file import Array, Container

__all__ = ["SafetensorsFile"]

_LENGTH_SIZE = 8  # bytes: the header's length, little-endian, before the header


class SafetensorsFile:
    """An open safetensors file; see ``TensorFile``.

    Args:
        path: The file.

    Raises:
        CheckpointError: It is missing, or breaks a rule of the format; none is left for reading.
    """

    path: Path
    container: Container = "safetensors"
    headers: Mapping[str, TensorHeader]
    metadata: Mapping[str, str]

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = PositionedFile(path)
        try:
            length = self._header_length()
            text = self._file.read(_LENGTH_SIZE, length, "the header")
            data_start = _LENGTH_SIZE + length
            entries, self.metadata = parse_header(path, text, self._file.size - data_start)
        except BaseException:
            self.close()
            raise
        self._offsets = {name: data_start + entry.begin for name, entry in entries.items()}
        self.headers = {
            name: TensorHeader(name=name, dtype=entry.dtype.name, shape=entry.shape)
            for name, entry in entries.items()
        }

    def _header_length(self) -> int:
        size = self._file.size
        if size < _LENGTH_SIZE:
            self._refuse(f"expected at least {_LENGTH_SIZE} bytes, found {size}")
        length = int.from_bytes(self._file.read(0, _LENGTH_SIZE, "the header's length"), "little")
        if length > min(MAX_HEADER, size - _LENGTH_SIZE):
            self._refuse(
                f"its header should be {length} bytes long, but the file has {size}"
                f" (and a header may have {MAX_HEADER})"
            )
        return length

    def _refuse(self, what: str) -> NoReturn:
        head = self._file.read(0, min(HEAD_SIZE, self._file.size), "the first bytes")
        if kind := foreign_kind(head):
            raise CheckpointError(f"{self.path}: not a tensor file, but {kind[0]}", hint=kind[1])
        raise CheckpointError(f"{self.path}: not a valid safetensors file: {what}", hint=DAMAGED)

    def read(self, name: str) -> Array:
        """Read one tensor; see ``TensorFile.read``."""
        header = self.headers[name]
        array = new_array(self.path, header)
        self._file.read_into(byte_view(array), self._offsets[name], f"tensor {name!r}")
        if sys.byteorder == "big":
            swap_bytes(array)
        return array

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
