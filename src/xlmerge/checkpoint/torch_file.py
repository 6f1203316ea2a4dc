"""Reading files of ``torch.save`` without torch: the pickle when opening, each tensor alone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from xlmerge.checkpoint.dtypes import DTYPES
from xlmerge.checkpoint.file_kind import HEAD_SIZE, is_torch_legacy, is_torch_zip
from xlmerge.checkpoint.payload import byte_view, new_array, swap_bytes
from xlmerge.checkpoint.pickle_refusals import PickleRefusedError
from xlmerge.checkpoint.positioned_file import PositionedFile
from xlmerge.checkpoint.torch_layout import check_crc
from xlmerge.checkpoint.torch_pickle import state_dict
from xlmerge.errors import CheckpointError
from xlmerge.plugin.headers import TensorHeader

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Self

    from xlmerge.checkpoint.tensor_file import Array, Container
    from xlmerge.checkpoint.torch_layout import TorchLayout
    from xlmerge.checkpoint.torch_pickle import TensorRef

__all__ = ["TorchFile", "looks_like_torch"]


def looks_like_torch(path: Path) -> bool:
    """Whether a file begins like one of ``torch.save``, in its zip format or the older one.

    Any zip archive does; ``TorchFile`` says what is wrong with one that is not torch's.

    Raises:
        CheckpointError: The file is missing or cannot be read.
    """
    file = PositionedFile(path)
    try:
        head = _head(file)
    finally:
        file.close()
    return is_torch_zip(head) or is_torch_legacy(head)


def _head(file: PositionedFile) -> bytes:
    return file.read(0, min(HEAD_SIZE, file.size), "the first bytes")


class TorchFile:
    """An open torch file; see ``TensorFile``.

    The checksum that the zip format keeps of a storage is checked when a tensor covers all of it,
    as tensors saved on their own do; torch itself does not check it.

    Args:
        path: The file.

    Raises:
        CheckpointError: It is missing, damaged, or holds anything but a dictionary from names to
            plain tensors; above all a pickle that would run code.
    """

    path: Path
    container: Container = "bin"
    headers: Mapping[str, TensorHeader]
    metadata: Mapping[str, str]

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metadata = {}
        self._file = PositionedFile(path)
        try:
            layout = self._read_layout()
            self._tensors = state_dict(layout.content)
        except PickleRefusedError as error:
            self.close()
            raise CheckpointError(f"{path}: {error}", hint=error.hint) from None
        except BaseException:
            self.close()
            raise
        self._places = layout.places
        self._swapped = layout.byteorder != sys.byteorder
        self.headers = _headers(self._tensors)

    def _read_layout(self) -> TorchLayout:
        # Both import what the other does not need.
        if is_torch_legacy(_head(self._file)):
            from xlmerge.checkpoint.torch_legacy import read_legacy_layout

            return read_legacy_layout(self._file)
        from xlmerge.checkpoint.torch_zip import read_zip_layout

        return read_zip_layout(self._file)

    def read(self, name: str) -> Array:
        """Read one tensor; see ``TensorFile.read``."""
        tensor, header = self._tensors[name], self.headers[name]
        if tensor.contiguous:
            array = new_array(self.path, header)
            self._fill(array, tensor, name)
            return array
        # The run of elements that the view lies in, of which the view is then copied.
        elements = new_array(self.path, header, (tensor.extent,))
        self._fill(elements, tensor, name)
        return _copy_of_view(elements, tensor)

    def _fill(self, array: Array, tensor: TensorRef, name: str) -> None:
        """Read ``tensor.extent`` elements from the tensor's first one on."""
        place = self._places[tensor.storage.key]
        buffer, what = byte_view(array), f"tensor {name!r}"
        start = tensor.offset * DTYPES[tensor.storage.dtype].itemsize
        if place.packed is not None:
            from xlmerge.checkpoint.torch_zip import inflate

            storage = memoryview(bytearray(place.nbytes))
            inflate(self._file, place, storage, what)
            check_crc(self.path, place, storage, what)
            buffer[:] = storage[start : start + len(buffer)]
        else:
            self._file.read_into(buffer, place.offset + start, what)
            if len(buffer) == place.nbytes:
                check_crc(self.path, place, buffer, what)
        if self._swapped:
            swap_bytes(array)

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _headers(tensors: Mapping[str, TensorRef]) -> dict[str, TensorHeader]:
    first: dict[TensorRef, str] = {}
    headers = {}
    for name, tensor in tensors.items():
        same_as = first.setdefault(tensor, name)
        headers[name] = TensorHeader(
            name=name,
            dtype=tensor.storage.dtype,
            shape=tensor.shape,
            same_as=None if same_as == name else same_as,
        )
    return headers


def _copy_of_view(elements: Array, tensor: TensorRef) -> Array:
    import numpy as np

    strides = tuple(step * elements.itemsize for step in tensor.stride)
    view = np.lib.stride_tricks.as_strided(elements, tensor.shape, strides, writeable=False)
    return view.copy(order="C")
