"""torch's zip container: where its pickle and its storages lie in the file."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING

from xlmerge.checkpoint.positioned_file import DAMAGED
from xlmerge.checkpoint.restricted_pickle import MAX_BYTES, read_pickle
from xlmerge.checkpoint.torch_layout import Place, TorchLayout, check_crc
from xlmerge.checkpoint.torch_pickle import persistent_storages, vocabulary
from xlmerge.errors import CheckpointError

if TYPE_CHECKING:
    from typing import NoReturn

    from xlmerge.checkpoint.positioned_file import PositionedFile

__all__ = ["inflate", "read_zip_layout"]

_LOCAL_HEADER = struct.Struct("<4s22xHH")  # magic ... lengths of the name and of the extra field
_ENCRYPTED = 0x1
_MAX_RATIO = 1100  # deflate cannot do better; a larger claim is a bomb
_MAX_SMALL = 64  # bytes: entries that hold a word
_MAX_VERSION = 10
# All that zipfile and zlib raise over bad bytes.
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


def read_zip_layout(file: PositionedFile) -> TorchLayout:
    """Read the pickle and find the storages it refers to.

    Raises:
        CheckpointError: The archive or its pickle is damaged, unsafe, or not torch's.
    """
    archive = _Archive(file)
    text = archive.read("data.pkl", MAX_BYTES)
    storages, look_up = persistent_storages(legacy=False)
    content = read_pickle(file.path, io.BytesIO(text), vocabulary, look_up)
    places = {}
    for key, storage in storages.items():
        place = places[key] = archive.find(f"data/{key}")
        if place.nbytes != storage.nbytes:
            msg = (
                f"{file.path}: the storage {key!r} should have {storage.nbytes} bytes"
                f" ({storage.count} of {storage.dtype}), found {place.nbytes}"
            )
            raise CheckpointError(msg, hint=DAMAGED)
    return TorchLayout(content, places, archive.byteorder())


class _Archive:
    """The table of contents of a zip file, with its entries located."""

    def __init__(self, file: PositionedFile) -> None:
        self._file = file
        try:
            with zipfile.ZipFile(file.path) as archive:
                entries = archive.infolist()
        except _ZIP_ERRORS as error:
            self._refuse(f"a zip archive that is cut off or damaged ({error})")
        self._entries = {entry.filename: entry for entry in entries}
        if len(self._entries) != len(entries):
            self._refuse("an archive that holds an entry twice")
        roots = [name[:-8] for name in self._entries if name.endswith("data.pkl")]
        roots = [root for root in roots if root.endswith("/") and root.count("/") == 1]
        if len(roots) != 1:
            self._refuse("a zip archive, but not one of torch's (no data.pkl in its one folder)")
        self._root = roots[0]
        if f"{self._root}constants.pkl" in self._entries:
            self._refuse("a TorchScript program, expected a file of tensors")
        version = self._word("version", "3").strip()
        if not version.isdecimal() or not 1 <= int(version) <= _MAX_VERSION:
            self._refuse(f"in version {version!r} of torch's format, expected 1 to {_MAX_VERSION}")

    def _refuse(self, what: str) -> NoReturn:
        raise CheckpointError(f"{self._file.path}: the file is {what}", hint=DAMAGED) from None

    def _damaged(self, name: str, what: str) -> NoReturn:
        msg = f"{self._file.path}: the entry {name!r} of the archive {what}"
        raise CheckpointError(msg, hint=DAMAGED) from None

    def find(self, name: str) -> Place:
        """Where an entry's bytes are.

        Args:
            name: Its name below the archive's folder.
        """
        entry = self._entries.get(self._root + name)
        if entry is None:
            self._damaged(name, "is missing")
        if entry.flag_bits & _ENCRYPTED:
            self._damaged(name, "is encrypted")
        # The table of contents repeats the local header but for its length.
        what = f"the entry {name!r}"
        header = self._file.read(entry.header_offset, _LOCAL_HEADER.size, what)
        magic, name_size, extra_size = _LOCAL_HEADER.unpack(header)
        offset = entry.header_offset + _LOCAL_HEADER.size + name_size + extra_size
        if magic != b"PK\x03\x04" or offset + entry.compress_size > self._file.size:
            self._damaged(name, "does not lie where the archive says")
        # torch can be told not to compute checksums, and then stores 0.
        crc = entry.CRC or None
        if entry.compress_type == zipfile.ZIP_STORED:
            if entry.compress_size != entry.file_size:
                self._damaged(name, "has two sizes")
            return Place(offset, entry.file_size, crc)
        if entry.compress_type != zipfile.ZIP_DEFLATED:
            self._damaged(name, "is compressed in an unknown way")
        if entry.file_size > _MAX_RATIO * entry.compress_size:
            self._damaged(name, f"claims to unpack to {entry.file_size} bytes")
        return Place(offset, entry.file_size, crc, packed=entry.compress_size)

    def read(self, name: str, limit: int) -> bytes:
        place = self.find(name)
        if place.nbytes > limit:
            self._damaged(name, f"has {place.nbytes} bytes, expected at most {limit}")
        data, what = memoryview(bytearray(place.nbytes)), f"the entry {name!r}"
        if place.packed is not None:
            inflate(self._file, place, data, what)
        else:
            self._file.read_into(data, place.offset, what)
        check_crc(self._file.path, place, data, what)
        return bytes(data)

    def _word(self, name: str, default: str) -> str:
        if self._root + name not in self._entries:
            return default
        return self.read(name, _MAX_SMALL).decode("ascii", "backslashreplace")

    def byteorder(self) -> str:
        order = self._word("byteorder", "little")
        if order not in {"little", "big"}:
            self._refuse(f"in byte order {order!r}, expected 'little' or 'big'")
        return order


def inflate(file: PositionedFile, place: Place, buffer: memoryview, what: str) -> None:
    """Unpack a compressed storage into a buffer of its size.

    Raises:
        CheckpointError: The bytes are corrupt, or give more or fewer than the buffer holds.
    """
    packed = file.read(place.offset, place.packed or 0, what)
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = unpacker.decompress(packed, max(1, len(buffer)))
    except zlib.error as error:
        raise CheckpointError(f"{file.path}: {what} is corrupt ({error})", hint=DAMAGED) from None
    if len(data) != len(buffer) or unpacker.unconsumed_tail:
        msg = f"{file.path}: {what} does not unpack to {len(buffer)} bytes"
        raise CheckpointError(msg, hint=DAMAGED)
    buffer[:] = data
