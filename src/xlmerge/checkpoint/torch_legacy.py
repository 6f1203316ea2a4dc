"""torch's container of before 1.6: five pickles in a row, then the storages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlmerge.checkpoint.positioned_file import DAMAGED
from xlmerge.checkpoint.restricted_pickle import read_pickle
from xlmerge.checkpoint.torch_layout import Place, TorchLayout
from xlmerge.checkpoint.torch_pickle import persistent_storages, vocabulary
from xlmerge.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

    from xlmerge.checkpoint.positioned_file import PositionedFile
    from xlmerge.checkpoint.torch_pickle import StorageRef

__all__ = ["read_legacy_layout"]

_PROTOCOL = 1001
_COUNT_SIZE = 8  # bytes: the number of elements before each storage


def read_legacy_layout(file: PositionedFile) -> TorchLayout:
    """Read the pickles and find the storages they refer to.

    Elements are always little-endian here, whatever machine wrote them.

    Raises:
        CheckpointError: The file is damaged, unsafe, or of another version.
    """
    path = file.path
    storages, look_up = persistent_storages(legacy=True)
    with path.open("rb") as stream:
        read_pickle(path, stream, {})  # the magic number, by which the file was recognised
        protocol = read_pickle(path, stream, {})
        if protocol != _PROTOCOL:
            _refuse(file, f"it has version {protocol!r:.40}, expected {_PROTOCOL}")
        read_pickle(path, stream, {})  # sizes of C's integers, of no consequence
        content = read_pickle(path, stream, vocabulary, look_up)
        order = read_pickle(path, stream, {})
        position = stream.tell()
    if not isinstance(order, list) or not all(isinstance(key, str) for key in order):
        _refuse(file, "its list of storages is not a list of names")
    if len(order) != len(storages) or set(order) != set(storages):
        _refuse(file, "its list of storages is not that of its tensors")
    return TorchLayout(content, _find_storages(file, storages, order, position))


def _refuse(file: PositionedFile, what: str) -> NoReturn:
    raise CheckpointError(f"{file.path}: not a valid torch file: {what}", hint=DAMAGED)


def _find_storages(
    file: PositionedFile, storages: Mapping[str, StorageRef], order: list[str], position: int
) -> dict[str, Place]:
    places = {}
    for key in order:
        storage = storages[key]
        count = int.from_bytes(
            file.read(position, _COUNT_SIZE, f"the length of storage {key!r}"), "little"
        )
        if count != storage.count:
            _refuse(file, f"storage {key!r} has {count} elements, expected {storage.count}")
        position += _COUNT_SIZE
        places[key] = Place(position, storage.nbytes)
        position += storage.nbytes
    if position != file.size:
        _refuse(file, f"its storages end at byte {position}, but the file has {file.size}")
    return places
