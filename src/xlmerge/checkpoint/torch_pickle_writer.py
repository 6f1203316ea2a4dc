"""The pickle of a dictionary from names to tensors, as torch writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlmerge.checkpoint.dtypes import DTYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xlmerge.checkpoint.torch_pickle import TensorRef

__all__ = ["pickle_state_dict"]


def pickle_state_dict(tensors: Mapping[str, TensorRef]) -> bytes:
    """The bytes of ``data.pkl``, in protocol 2, the one that torch's safe loader reads.

    Args:
        tensors: The dictionary, in its order.
    """
    return _Emitter().state_dict(tensors)


class _Emitter:
    """Writes instructions; remembers (as pickle does) the texts that every tensor repeats."""

    def __init__(self) -> None:
        self._remembered: dict[bytes, int] = {}

    def state_dict(self, tensors: Mapping[str, TensorRef]) -> bytes:
        items = b"".join(_text(name) + self._tensor(tensor) for name, tensor in tensors.items())
        return b"\x80\x02}(" + items + b"u."

    def _tensor(self, tensor: TensorRef) -> bytes:
        storage = tensor.storage
        return b"".join(
            (
                self._global("torch._utils", "_rebuild_tensor_v2"),
                b"((",
                self._once(_text("storage")),
                self._global("torch", str(DTYPES[storage.dtype].storage)),
                _text(storage.key),
                self._once(_text("cpu")),
                _number(storage.count),
                b"tQ",  # the reference to the storage: a persistent id
                _number(tensor.offset),
                _numbers(tensor.shape),
                _numbers(tensor.stride),
                b"\x89",  # needs no gradient
                self._global("collections", "OrderedDict"),
                b")R",  # no hooks: an empty dictionary
                b"tR",
            )
        )

    def _global(self, module: str, name: str) -> bytes:
        return self._once(b"c" + f"{module}\n{name}\n".encode())

    def _once(self, instruction: bytes) -> bytes:
        """The instruction with a note of its result, or the recall of that note."""
        if instruction in self._remembered:
            return b"h" + bytes((self._remembered[instruction],))
        index = self._remembered[instruction] = len(self._remembered)
        return instruction + b"q" + bytes((index,))


def _text(value: str) -> bytes:
    data = value.encode()
    return b"X" + len(data).to_bytes(4, "little") + data


def _number(value: int) -> bytes:
    if value < 1 << 8:
        return b"K" + value.to_bytes(1, "little")
    if value < 1 << 16:
        return b"M" + value.to_bytes(2, "little")
    if value < 1 << 31:
        return b"J" + value.to_bytes(4, "little")
    size = value.bit_length() // 8 + 1
    return b"\x8a" + bytes((size,)) + value.to_bytes(size, "little")


def _numbers(values: Sequence[int]) -> bytes:
    return b"(" + b"".join(_number(value) for value in values) + b"t"
