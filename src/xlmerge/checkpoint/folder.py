"""Adapter folders of both libraries, opened by their headers."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from xlmerge.checkpoint.folder_hints import (
    CONFIG,
    HEAD_CONFIG,
    hint_for_no_adapter,
    hint_for_no_folder,
    hint_for_no_tensors,
)
from xlmerge.checkpoint.json_file import read_json
from xlmerge.checkpoint.keys import CanonicalKeys, canonical_adapters_keys, canonical_peft_keys
from xlmerge.checkpoint.legacy import current_config
from xlmerge.checkpoint.tensor_file import Container, TensorFile, open_tensor_file
from xlmerge.errors import CheckpointError
from xlmerge.plugin.headers import FolderHeader

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from xlmerge.checkpoint.tensor_file import Array
    from xlmerge.plugin.headers import TensorHeader

__all__ = ["CONFIG", "FILES", "HEAD_CONFIG", "AdapterFolder", "open_adapter_folder"]


FILES: dict[tuple[str, str, Container], str] = {
    ("adapters", "adapter", "bin"): "pytorch_adapter.bin",
    ("adapters", "adapter", "safetensors"): "adapter.safetensors",
    ("adapters", "head", "bin"): "pytorch_model_head.bin",
    ("adapters", "head", "safetensors"): "model_head.safetensors",
    ("peft", "adapter", "bin"): "adapter_model.bin",
    ("peft", "adapter", "safetensors"): "adapter_model.safetensors",
}
"""File names by library, content and container."""

# Files that say nothing a merge could lose.
_PROSE = {"README.md", "LICENSE", ".gitattributes", ".gitignore", "xlmerge.json"}
_PROSE |= {"log.csv", "log.jsonl"}  # of a training


@dataclass
class AdapterFolder:
    """An open adapter folder; a context manager.

    Attributes:
        path: The folder.
        header: What the architectures see.
        document: The whole of ``adapter_config.json`` as it stands in the file.
        container: Container of the adapter's tensors.
        keys: Canonical keys of the adapter's tensors and of its head's.
        files: Every file that was read: what a merge of this adapter depends on.
        unread: Names of further files, which are not carried over.
    """

    path: Path
    header: FolderHeader
    document: dict[str, Any]
    container: Container
    keys: CanonicalKeys
    head_keys: CanonicalKeys | None
    files: tuple[Path, ...]
    unread: tuple[str, ...]
    _tensors: TensorFile = field(repr=False)
    _head: TensorFile | None = field(repr=False, default=None)

    def read(self, key: str) -> Array:
        """Read a tensor by its canonical key, as stored.

        Raises:
            KeyError: No tensor of that key.
            CheckpointError: The file is not what its header promised.
        """
        if key in self.keys.stored:
            return self._tensors.read(self.keys.stored[key])
        if self._head is not None and self.head_keys is not None:
            return self._head.read(self.head_keys.stored[key])
        raise KeyError(key)

    def dtype(self, key: str) -> str:
        """The stored type of a tensor of the adapter or its head.

        Raises:
            KeyError: No tensor of that key.
        """
        header = self.header.tensors.get(key) or self.header.head_tensors[key]
        return header.dtype

    def close(self) -> None:
        """Close the files."""
        self._tensors.close()
        if self._head is not None:
            self._head.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def open_adapter_folder(path: Path | str) -> AdapterFolder:
    """Open a folder that `adapters` or PEFT saved, told apart by its ``adapter_config.json``.

    Raises:
        CheckpointError: No such folder, no adapter in it, or a file that is no adapter's.
    """
    path = Path(path)
    try:
        return _open_folder(path)
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be read: {error.strerror or error}",
            hint="check the permissions of the folder and what lies in it",
        ) from error


def _open_folder(path: Path) -> AdapterFolder:
    if not path.is_dir():
        what = "is a file" if path.is_file() else "does not exist"
        raise CheckpointError(
            f"{path}: expected an adapter folder, but it {what}", hint=hint_for_no_folder(path)
        )
    if not (path / CONFIG).is_file():
        raise CheckpointError(
            f"{path}: no adapter here: {CONFIG} is missing", hint=hint_for_no_adapter(path)
        )
    document = read_json(path / CONFIG)
    if "peft_type" in document:
        return _open(path, document, "peft")
    if "config" in document:
        return _open(path, document, "adapters")
    raise CheckpointError(
        f"{path / CONFIG}: neither `peft_type` (PEFT) nor `config` (adapters); found the keys "
        f"{', '.join(sorted(document)) or 'of an empty object'}"
    )


def _open(
    path: Path, document: dict[str, Any], library: Literal["adapters", "peft"]
) -> AdapterFolder:
    file, container = _weights(path, library)
    files = [path / CONFIG, file]
    with ExitStack() as stack:
        tensors = open_tensor_file(file)
        stack.callback(tensors.close)
        if library == "adapters":
            keys = canonical_adapters_keys(tensors.headers, str(file), _text(document.get("name")))
        else:
            keys = canonical_peft_keys(tensors.headers, str(file))
        if not keys.stored:
            raise CheckpointError(f"{file}: holds no tensors")
        head: _Head | None = None
        if library == "adapters" and (path / HEAD_CONFIG).is_file():
            head = _open_head(path, container, stack)
            files += [path / HEAD_CONFIG, head.tensors.path]
        known = {each.name for each in files} | _PROSE
        folder = AdapterFolder(
            path=path,
            header=_header(path, document, library, _headers(keys, tensors), keys.name, head),
            document=document,
            container=container,
            keys=keys,
            head_keys=None if head is None else head.keys,
            files=tuple(files),
            unread=tuple(sorted(each.name for each in path.iterdir() if each.name not in known)),
            _tensors=tensors,
            _head=None if head is None else head.tensors,
        )
        stack.pop_all()  # the folder closes them from here on
    return folder


@dataclass(frozen=True, slots=True)
class _Head:
    """The prediction head that `adapters` keeps beside an adapter."""

    config: dict[str, Any]
    tensors: TensorFile
    keys: CanonicalKeys


def _open_head(path: Path, container: Container, stack: ExitStack) -> _Head:
    config = read_json(path / HEAD_CONFIG)
    names = [FILES["adapters", "head", kind] for kind in _order(container)]
    file = next((path / name for name in names if (path / name).is_file()), None)
    if file is None:
        raise CheckpointError(
            f"{path}: {HEAD_CONFIG} is there, but no tensors: expected {' or '.join(names)}"
        )
    tensors = open_tensor_file(file)
    stack.callback(tensors.close)
    return _Head(config, tensors, _head_keys(tensors, config, str(file)))


def _order(first: Container) -> tuple[Container, Container]:
    return ("bin", "safetensors") if first == "bin" else ("safetensors", "bin")


def _has(path: Path, library: str, content: str, container: Container) -> bool:
    return (path / FILES[library, content, container]).is_file()


def _weights(path: Path, library: str) -> tuple[Path, Container]:
    """The file that the library itself would load; `adapters` looks for .bin first."""
    for container in _order("bin" if library == "adapters" else "safetensors"):
        if _has(path, library, "adapter", container):
            return path / FILES[library, "adapter", container], container
    names = " or ".join(
        FILES[library, "adapter", container] for container in ("safetensors", "bin")
    )
    raise CheckpointError(
        f"{path}: {CONFIG} is there, but no tensors: expected {names}",
        hint=hint_for_no_tensors(path),
    )


def _header(
    path: Path,
    document: Mapping[str, Any],
    library: Literal["adapters", "peft"],
    tensors: Mapping[str, TensorHeader],
    name: str | None,
    head: _Head | None,
) -> FolderHeader:
    """What the architectures see."""
    if library == "peft":
        return FolderHeader(
            path=str(path),
            format=library,
            tensors=tensors,
            name="",
            config=document,
            base_model=_text(document.get("base_model_name_or_path")),
            base_revision=_text(document.get("revision")),
            version=_text(document.get("peft_version")),
        )
    hidden = document.get("hidden_size")
    return FolderHeader(
        path=str(path),
        format=library,
        tensors=tensors,
        name=name or _text(document.get("name")) or "adapter",
        config=current_config(document, tensors, str(path)),
        head_tensors={} if head is None else _headers(head.keys, head.tensors),
        head_config=None if head is None else head.config,
        base_model=_text(document.get("model_name")),
        model_type=_text(document.get("model_type")),
        hidden_size=hidden if type(hidden) is int and hidden > 0 else None,
        version=_text(document.get("version")),
        extra={"model_class": document.get("model_class")},
    )


def _headers(keys: CanonicalKeys, tensors: TensorFile) -> dict[str, TensorHeader]:
    """Headers by canonical key, sorted: the order of a file is without meaning."""
    return {key: tensors.headers[stored] for key, stored in sorted(keys.stored.items())}


def _head_keys(head: TensorFile, config: Mapping[str, Any], where: str) -> CanonicalKeys:
    """Keys of a head file: flex heads carry the head's name, static heads none."""
    name = config.get("name")
    stored: dict[str, str] = {}
    for key in head.headers:
        parts = key.split(".")
        if parts[0] == "heads" and len(parts) > 2:
            if parts[1] != name:
                raise CheckpointError(
                    f"{where}: {key!r} belongs to a head {parts[1]!r}; {HEAD_CONFIG} names {name!r}"
                )
            parts[1] = "{name}"
        stored[".".join(parts)] = key
    return CanonicalKeys(stored, dict.fromkeys(stored, ""), "", _text(name))


def _text(value: object) -> str | None:
    """A non-empty text, or None: models built from a config have an empty name."""
    return value if isinstance(value, str) and value else None
