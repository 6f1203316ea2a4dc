"""Files of tensors: one interface for safetensors and torch's own ``.bin``.

A file is opened by its header alone; tensors are read one at a time by positioned reads. Nothing is
mapped, since mapped pages count as resident: a merge needs memory for about one tensor per input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any, Self

    import numpy as np
    from numpy.typing import NDArray

    from xlmerge.plugin.headers import TensorHeader

    Array: TypeAlias = NDArray[np.generic]

__all__ = ["Container", "TensorFile", "TensorWriter", "create_tensor_file", "open_tensor_file"]

Container = Literal["safetensors", "bin"]


@runtime_checkable
class TensorFile(Protocol):
    """An open, read-only file of named tensors. Usable from several threads; a context manager."""

    path: Path
    container: Container
    headers: Mapping[str, TensorHeader]
    metadata: Mapping[str, str]

    def read(self, name: str) -> Array:
        """Read one tensor as a fresh, writable, C-contiguous array of its stored dtype.

        bfloat16 comes as ``ml_dtypes.bfloat16``.

        Raises:
            KeyError: No tensor of that name.
            CheckpointError: The bytes are not what the header promised (truncated since, checksum
                wrong), or the dtype is one that can only be listed.
        """
        ...

    def close(self) -> None:
        """Release the file."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...


@runtime_checkable
class TensorWriter(Protocol):
    """A file of tensors being written in one pass, without knowing shapes in advance.

    A context manager: leaving it without an exception finishes the file (and syncs it to disk), if
    all announced names were written; with one, removes it. The same tensors in the same order give
    the same bytes.
    """

    def write(self, name: str, array: Array) -> None:
        """Append a tensor.

        Raises:
            ValueError: The name was not announced, or is there already; or the container cannot
                hold the array's dtype.
            OSError: As the operating system says (disk full, ...).
        """
        ...

    def alias(self, name: str, target: str) -> None:
        """Store ``name`` as the same bytes as ``target``, which was written before.

        Containers that cannot share bytes (safetensors) raise ValueError.
        """
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> Any: ...


def open_tensor_file(path: Path) -> TensorFile:
    """Open a safetensors or torch file, told apart by content, not by name.

    Raises:
        CheckpointError: Missing, truncated, corrupt, or holding anything but plain tensors (a
            pickle with code).
    """
    from xlmerge.checkpoint import safetensors_file, torch_file

    if torch_file.looks_like_torch(path):
        return torch_file.TorchFile(path)
    return safetensors_file.SafetensorsFile(path)


def create_tensor_file(
    path: Path, container: Container, names: list[str], metadata: Mapping[str, str] | None = None
) -> TensorWriter:
    """Start writing a file of tensors.

    Args:
        path: Where; must not exist.
        container: safetensors, or torch's zip format (``bin``).
        names: Every name that will be written, so that room for the header can be set aside.
        metadata: safetensors' own string pairs (ignored keys are not allowed: ``bin`` takes none).
    """
    from xlmerge.checkpoint import safetensors_writer, torch_writer

    if container == "safetensors":
        return safetensors_writer.SafetensorsWriter(path, names, metadata or {})
    if metadata:
        msg = "a .bin file holds no metadata"
        raise ValueError(msg)
    return torch_writer.TorchWriter(path, names)
