"""Where the parts of a torch file lie: what its two containers have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Place", "TorchLayout"]


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
