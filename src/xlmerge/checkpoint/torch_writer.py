"""Writing torch's zip format without torch, as ``torch.load`` reads it (also mapped)."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from xlmerge.checkpoint.dtypes import DTYPES, dtype_of
from xlmerge.checkpoint.payload import payload_chunks
from xlmerge.checkpoint.streaming_writer import StreamingWriter
from xlmerge.checkpoint.torch_pickle import StorageRef, TensorRef
from xlmerge.checkpoint.torch_pickle_writer import pickle_state_dict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from xlmerge.checkpoint.tensor_file import Array

__all__ = ["TorchWriter"]

_ROOT = "pytorch_adapter/"
_ALIGNMENT = 64  # bytes: torch maps storages where they lie
_EPOCH = (1980, 1, 1, 0, 0, 0)  # no time of writing, so that equal tensors give equal bytes
_UNIX = 3
_LOCAL_HEADER_SIZE = 30
_ZIP64_SIZE = 20  # bytes that zipfile adds to the local header of a large entry
_LARGE = (1 << 31) - 1  # bytes: where zipfile wants to know beforehand


class TorchWriter(StreamingWriter):
    """A torch file being written; see ``TensorWriter``.

    Each tensor's storage is an entry of its own, stored uncompressed and aligned; the pickle comes
    last. torch's ``.format_version`` is left out on purpose: it promises offsets that follow from
    torch's own zip writer.

    Args:
        path: Where; must not exist.
        names: Every name that will be written.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        super().__init__(path, names)
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_STORED)
        self._tensors: dict[str, TensorRef] = {}
        self._storages = 0

    def _append(self, name: str, array: Array) -> None:
        dtype = dtype_of(array)
        if dtype.storage is None:
            known = ", ".join(known.name for known in DTYPES.values() if known.storage)
            msg = f"cannot write {name!r} of {dtype.name} to a torch file; it holds {known}"
            raise ValueError(msg)
        key = str(self._storages)
        self._storages += 1
        self._add_entry(f"data/{key}", payload_chunks(array), array.nbytes)
        storage = StorageRef(key, dtype.name, array.size)
        self._tensors[name] = TensorRef(storage, 0, array.shape, _c_strides(array.shape))

    def alias(self, name: str, target: str) -> None:
        """Store ``name`` as the same storage as ``target``; see ``TensorWriter.alias``."""
        if target not in self._tensors:
            msg = f"cannot store {name!r} as {target!r}, which was not written before"
            raise ValueError(msg)
        self._claim(name)
        self._tensors[name] = self._tensors[target]
        self._done.add(name)

    def _finish(self) -> None:
        for name, data in (
            ("byteorder", b"little"),
            ("version", b"3\n"),
            ("data.pkl", pickle_state_dict(self._tensors)),
        ):
            self._add_entry(name, [data], len(data))
        self._zip.close()

    def _abandon(self) -> None:
        try:
            self._zip.close()  # else it would try again when collected
        finally:
            super()._abandon()

    def _add_entry(self, name: str, chunks: Iterable[bytes | memoryview], nbytes: int) -> None:
        info = zipfile.ZipInfo(_ROOT + name, _EPOCH)
        info.create_system = _UNIX
        large = nbytes >= _LARGE
        start = self._file.tell() + _LOCAL_HEADER_SIZE + len(info.filename)
        start += _ZIP64_SIZE if large else 0
        # An extra field of torch's own kind pads the header: two letters, a length, filler.
        filler = -(start + 4) % _ALIGNMENT
        info.extra = b"FB" + filler.to_bytes(2, "little") + b"Z" * filler
        with self._zip.open(info, "w", force_zip64=large) as entry:
            for chunk in chunks:
                entry.write(chunk)


def _c_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Steps along the axes of a C-contiguous tensor, in elements, as torch counts them."""
    strides: list[int] = []
    step = 1
    for length in reversed(shape):
        strides.append(step)
        step *= max(length, 1)
    return tuple(reversed(strides))
