"""What the pickle in a torch file says: tensors as views of storages, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from xlmerge.checkpoint.dtypes import DTYPE_OF_STORAGE, DTYPES
from xlmerge.checkpoint.pickle_refusals import PickleRefusedError
from xlmerge.checkpoint.restricted_pickle import Global

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeGuard

__all__ = ["StorageRef", "TensorRef", "persistent_storages", "state_dict", "vocabulary"]

_SAVE_AGAIN = "save a plain dictionary from names to tensors with torch.save"


@dataclass(frozen=True, slots=True)
class StorageRef:
    """A run of elements in the file.

    Attributes:
        key: What the file calls it.
        dtype: Type of its elements, as in ``TensorHeader.dtype``.
        count: How many there are.
    """

    key: str
    dtype: str
    count: int

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return self.count * DTYPES[self.dtype].itemsize


@dataclass(frozen=True, slots=True)
class TensorRef:
    """A view of a storage.

    Attributes:
        storage: Where its elements are.
        offset: Its first element, counted in the storage.
        shape: Lengths of its axes.
        stride: Steps along its axes, in elements; none is negative.
    """

    storage: StorageRef
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def extent(self) -> int:
        """Number of elements from its first to its last in the storage, both included."""
        if 0 in self.shape:
            return 0
        steps = zip(self.shape, self.stride, strict=True)
        return 1 + sum((length - 1) * step for length, step in steps)

    @property
    def contiguous(self) -> bool:
        """Whether its elements lie in the storage one after the other, in C order."""
        expected = 1
        for length, step in zip(reversed(self.shape), reversed(self.stride), strict=True):
            if length != 1 and step != expected:
                return 0 in self.shape
            expected *= length
        return True


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and value >= 0


def _counts(value: object, what: str) -> tuple[int, ...]:
    if not isinstance(value, tuple) or not all(_is_count(item) for item in value):
        raise PickleRefusedError(f"the {what} of a tensor is not a tuple of whole numbers")
    return value


def _tensor(storage: object, offset: object, size: object, stride: object, *_: object) -> TensorRef:
    if not isinstance(storage, StorageRef):
        raise PickleRefusedError("a tensor has no storage")
    if not _is_count(offset):
        raise PickleRefusedError(f"a tensor begins at element {offset!r:.40} of its storage")
    shape, steps = _counts(size, "size"), _counts(stride, "stride")
    if len(shape) != len(steps):
        raise PickleRefusedError(f"a tensor has {len(shape)} axes but {len(steps)} strides")
    tensor = TensorRef(storage, offset, shape, steps)
    # The second bound keeps expanded views (stride 0) from growing beyond what the file holds.
    count = prod(shape)
    if count and (offset + tensor.extent > storage.count or count > storage.count):
        raise PickleRefusedError(
            f"a tensor of shape {shape}, strides {steps} and offset {offset} does not fit into its"
            f" storage of {storage.count} elements"
        )
    return tensor


def _tensor_v2(*arguments: object) -> TensorRef:
    if len(arguments) not in {6, 7}:
        raise PickleRefusedError(f"a tensor has {len(arguments)} properties, expected 6 or 7")
    if arguments[6:] and arguments[6]:
        raise PickleRefusedError("a tensor is a lazy negative or conjugate", _SAVE_AGAIN)
    return _tensor(*arguments)


def _old_tensor(*arguments: object) -> TensorRef:
    if len(arguments) != 4:
        raise PickleRefusedError(f"a tensor has {len(arguments)} properties, expected 4")
    return _tensor(*arguments)


def _parameter(*arguments: object) -> TensorRef:
    if not 1 <= len(arguments) <= 3 or not isinstance(arguments[0], TensorRef):
        raise PickleRefusedError("a parameter is not made of a tensor")
    return arguments[0]


def _ordered_dict(*arguments: object) -> dict[str, object]:
    if arguments:
        raise PickleRefusedError("an ordered dictionary does not begin empty")
    return {}


def _size(*arguments: object) -> tuple[int, ...]:
    return _counts(arguments[0] if len(arguments) == 1 else None, "size")


def _storage_class(*_: object) -> object:
    raise PickleRefusedError("it creates a storage instead of referring to one")


vocabulary: Mapping[tuple[str, str], Callable[..., object]] = {
    ("collections", "OrderedDict"): _ordered_dict,
    ("torch", "Size"): _size,
    ("torch._utils", "_rebuild_tensor"): _old_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor_v2,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch.nn.parameter", "Parameter"): _parameter,
    **{("torch", storage): _storage_class for storage in DTYPE_OF_STORAGE},
}


def persistent_storages(
    *, legacy: bool
) -> tuple[dict[str, StorageRef], Callable[[object], object]]:
    """A table of storages, and the function that fills it from a pickle's persistent ids.

    Args:
        legacy: Whether ids have the older form, with a sixth part for views of storages.
    """
    storages: dict[str, StorageRef] = {}

    def look_up(reference: object) -> StorageRef:
        if not isinstance(reference, tuple) or len(reference) != (6 if legacy else 5):
            raise PickleRefusedError("its pickle refers to data in an unknown form")
        kind, storage, key, location, count, *view = reference
        dtype = DTYPE_OF_STORAGE.get(storage.name) if isinstance(storage, Global) else None
        if (
            kind != "storage"
            or dtype is None
            or not isinstance(key, str)
            or not isinstance(location, str)
            or not _is_count(count)
        ):
            raise PickleRefusedError("its pickle refers to data in an unknown form")
        if view not in ([], [None]):
            raise PickleRefusedError("a storage is a view of another", _SAVE_AGAIN)
        found = StorageRef(key, dtype.name, count)
        if storages.setdefault(key, found) != found:
            raise PickleRefusedError(f"its pickle describes the storage {key!r} in two ways")
        return found

    return storages, look_up


def state_dict(content: object) -> dict[str, TensorRef]:
    """The content of a torch file, if it is a dictionary from names to tensors.

    Raises:
        PickleRefusedError: It is anything else.
    """
    if not isinstance(content, dict):
        kind = "tensor" if isinstance(content, TensorRef) else type(content).__name__
        raise PickleRefusedError(
            f"expected a dictionary from names to tensors, found a {kind}", _SAVE_AGAIN
        )
    for key, value in content.items():
        if isinstance(value, dict):
            raise PickleRefusedError(
                f"{key!r} holds a dictionary, expected a tensor: the file is a training checkpoint",
                f"save the adapter's own tensors, perhaps checkpoint[{key!r}], to a file",
            )
        if not isinstance(value, TensorRef):
            raise PickleRefusedError(
                f"{key!r} holds a {type(value).__name__}, expected a tensor", _SAVE_AGAIN
            )
    return content
