"""Where the parts of a torch file lie: what its two containers have in common."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xlmerge.checkpoint.positioned_file import DAMAGED
from xlmerge.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Place", "TorchLayout", "check_crc"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a storage's bytes are.

    Attributes:
        offset: The first of them, in the file.
        nbytes: How many, unpacked.
        crc: Their CRC-32, where the file records it.
        packed: How many there are in the file, where they are compressed; else None.
    """

    offset: int
    nbytes: int
    crc: int | None = None
    packed: int | None = None


@dataclass(frozen=True, slots=True)
class TorchLayout:
    """A torch file, before any tensor is read.

    Attributes:
        content: What its pickle says, with ``TensorRef`` for tensors.
        places: Where each storage is, by the key its references have.
        byteorder: ``little`` or ``big``: how its elements are stored.
    """

    content: object
    places: Mapping[str, Place]
    byteorder: str = "little"


def check_crc(path: Path, place: Place, data: memoryview, what: str) -> None:
    """Compare all bytes of a place with the checksum recorded for them, if one is.

    Raises:
        CheckpointError: They differ.
    """
    if place.crc is not None and zlib.crc32(data) != place.crc:
        msg = f"{path}: {what} has a wrong checksum: its bytes are not those written"
        raise CheckpointError(msg, hint=DAMAGED)
