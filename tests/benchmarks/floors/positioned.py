"""The least a script needs to read and write safetensors: positioned reads, a header, nothing checked."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

TYPES = {"F32": np.float32, "F16": np.float16, "F64": np.float64}


class Tensors:
    """An open safetensors file."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY)
        length = int.from_bytes(os.pread(self._file, 8, 0), "little")
        self.header = json.loads(os.pread(self._file, length, 8))
        self.header.pop("__metadata__", None)
        self._start = 8 + length

    def __iter__(self) -> Iterator[str]:
        return iter(self.header)

    def __getitem__(self, name: str) -> np.ndarray:
        entry = self.header[name]
        begin, _ = entry["data_offsets"]
        array = np.empty(entry["shape"], TYPES[entry["dtype"]])
        os.preadv(self._file, [array.reshape(-1).view(np.uint8).data], self._start + begin)
        return array


def write(path: Path, shapes: dict[str, tuple[int, ...]], arrays: Iterator[np.ndarray]) -> None:
    """Write float32 arrays, one at a time, in the order of their shapes."""
    header, position = {}, 0
    for name, shape in shapes.items():
        end = position + 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays:
            file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
