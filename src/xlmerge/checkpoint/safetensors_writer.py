"""Writing safetensors files in one pass: room for the header first, the header itself last."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from xlmerge.checkpoint.dtypes import dtype_of
from xlmerge.checkpoint.payload import payload_chunks
from xlmerge.checkpoint.safetensors_header import MAX_HEADER, METADATA_KEY
from xlmerge.checkpoint.streaming_writer import StreamingWriter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import NoReturn

    from xlmerge.checkpoint.tensor_file import Array

__all__ = ["SafetensorsWriter"]

_MAX_AXES = 8
# The rest of an entry's JSON after its name, at its longest: brackets and keys (49), offsets of 16
# digits each, and 8 axes whose lengths have 19 digits between them, one more for each, and commas.
_ENTRY_ROOM = 49 + 2 * 16 + 19 + 2 * _MAX_AXES


class SafetensorsWriter(StreamingWriter):
    """A safetensors file being written; see ``TensorWriter``.

    The data section follows the room set aside for the longest header the names could need; what
    the header does not use stays blank, which the format allows. Tensors lie in the order written.

    Args:
        path: Where; must not exist.
        names: Every name that will be written.
        metadata: The file's own pairs of strings; stored sorted.

    Raises:
        ValueError: A name is announced twice or reserved, or the header would outgrow the format.
    """

    def __init__(self, path: Path, names: Sequence[str], metadata: Mapping[str, str]) -> None:
        if METADATA_KEY in names:
            msg = f"a tensor cannot be named {METADATA_KEY}"
            raise ValueError(msg)
        self._header: dict[str, object] = {}
        if metadata:
            self._header[METADATA_KEY] = dict(sorted(metadata.items()))
        longest = len(_to_json(self._header)) + sum(
            len(_to_json(name)) + _ENTRY_ROOM for name in names
        )
        self._room = longest + -longest % 8  # readers expect the data section aligned to 8 bytes
        if self._room > MAX_HEADER:
            msg = f"{len(names)} names need a header over the format's limit of {MAX_HEADER} bytes"
            raise ValueError(msg)
        self._position = 0
        super().__init__(path, names)
        self._file.seek(8 + self._room)

    def _append(self, name: str, array: Array) -> None:
        dtype = dtype_of(array)
        if array.ndim > _MAX_AXES:
            msg = f"tensor {name!r} has {array.ndim} axes, expected at most {_MAX_AXES}"
            raise ValueError(msg)
        for chunk in payload_chunks(array):
            self._file.write(chunk)
        begin, self._position = self._position, self._position + array.nbytes
        self._header[name] = {
            "dtype": dtype.code,
            "shape": list(array.shape),
            "data_offsets": [begin, self._position],
        }

    def alias(self, name: str, target: str) -> NoReturn:
        """Raise ValueError: a safetensors file gives each name bytes of its own."""
        msg = f"a safetensors file cannot store {name!r} as the same bytes as {target!r}"
        raise ValueError(msg)

    def _finish(self) -> None:
        text = _to_json(self._header).ljust(self._room)
        if len(text) > self._room:
            msg = f"the header needs {len(text)} bytes, but {self._room} were set aside"
            raise ValueError(msg)
        self._file.seek(0)
        self._file.write(self._room.to_bytes(8, "little") + text)


def _to_json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
