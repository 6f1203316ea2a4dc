"""Adapter folders of both libraries, opened by their headers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from xlmerge.checkpoint.keys import CanonicalKeys, canonical_adapters_keys, canonical_peft_keys
from xlmerge.checkpoint.legacy import current_config
from xlmerge.checkpoint.tensor_file import Container, TensorFile, open_tensor_file
from xlmerge.errors import CheckpointError
from xlmerge.plugin.headers import FolderHeader, TensorHeader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from xlmerge.checkpoint.tensor_file import Array

__all__ = ["FILES", "AdapterFolder", "open_adapter_folder", "read_json"]

CONFIG = "adapter_config.json"
HEAD_CONFIG = "head_config.json"

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
            CheckpointError: The file is not what its header promised.
        """
        if key in self.keys.stored:
            return self._tensors.read(self.keys.stored[key])
        if self._head is not None and self.head_keys is not None:
            return self._head.read(self.head_keys.stored[key])
        raise KeyError(key)

    def close(self) -> None:
        """Close the files."""
        self._tensors.close()
        if self._head is not None:
            self._head.close()

    def __enter__(self) -> AdapterFolder:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def open_adapter_folder(path: Path | str) -> AdapterFolder:
    """Open a folder that `adapters` or PEFT saved, told apart by its ``adapter_config.json``.

    Raises:
        CheckpointError: No such folder, no adapter in it, or a file that is no adapter's.
    """
    path = Path(path)
    if not path.is_dir():
        what = "is a file" if path.is_file() else "does not exist"
        raise CheckpointError(f"{path}: expected an adapter folder, but it {what}", hint=_nearby(path))
    if not (path / CONFIG).is_file():
        raise CheckpointError(f"{path}: no adapter here: {CONFIG} is missing", hint=_below(path))
    document = read_json(path / CONFIG)
    if "peft_type" in document:
        return _open(path, document, "peft")
    if "config" in document:
        return _open(path, document, "adapters")
    raise CheckpointError(
        f"{path / CONFIG}: neither `peft_type` (PEFT) nor `config` (adapters); found the keys {', '.join(sorted(document))}"
    )


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        CheckpointError: It cannot be read, or is no object; duplicate keys are refused, since which one a library
            would take is anyone's guess.
    """

    def unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise CheckpointError(f"{path}: the key {key!r} stands there twice")
            found[key] = value
        return found

    try:
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=unique)
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: expected a JSON object, found {type(content).__name__}")
    return content


def _open(path: Path, document: dict[str, Any], library: Literal["adapters", "peft"]) -> AdapterFolder:
    file, container = _weights(path, library)
    tensors = open_tensor_file(file)
    head: TensorFile | None = None
    try:
        canonical = canonical_adapters_keys if library == "adapters" else canonical_peft_keys
        keys = canonical(tensors.headers, str(file))
        if not keys.stored:
            raise CheckpointError(f"{file}: holds no tensors")
        files = [path / CONFIG, file]
        head_keys, head_config = None, None
        if library == "adapters" and (path / HEAD_CONFIG).is_file():
            head_config = read_json(path / HEAD_CONFIG)
            head_file = next(
                (path / FILES[library, "head", kind] for kind in _order(container) if _has(path, library, "head", kind)), None
            )
            if head_file is None:
                raise CheckpointError(f"{path}: {HEAD_CONFIG} is there, but no file with the head's tensors")
            head = open_tensor_file(head_file)
            head_keys = _head_keys(head, head_config, str(head_file))
            files += [path / HEAD_CONFIG, head_file]
        header = _header(path, document, library, keys, tensors, head_keys, head, head_config)
    except BaseException:
        tensors.close()
        if head is not None:
            head.close()
        raise
    known = {file.name for file in files} | _PROSE
    unread = tuple(sorted(entry.name for entry in path.iterdir() if entry.name not in known))
    return AdapterFolder(
        path=path,
        header=header,
        document=document,
        container=container,
        keys=keys,
        head_keys=head_keys,
        files=tuple(files),
        unread=unread,
        _tensors=tensors,
        _head=head,
    )


def _order(first: Container) -> tuple[Container, Container]:
    return ("bin", "safetensors") if first == "bin" else ("safetensors", "bin")


def _has(path: Path, library: str, content: str, container: Container) -> bool:
    return (path / FILES[library, content, container]).is_file()


def _weights(path: Path, library: str) -> tuple[Path, Container]:
    """The file that the library itself would load: `adapters` looks for .bin first, PEFT for safetensors."""
    for container in _order("bin" if library == "adapters" else "safetensors"):
        if _has(path, library, "adapter", container):
            return path / FILES[library, "adapter", container], container
    names = " or ".join(FILES[library, "adapter", container] for container in ("safetensors", "bin"))
    raise CheckpointError(f"{path}: {CONFIG} is there, but no tensors: expected {names}", hint=_pointer(path))


def _header(  # noqa: PLR0913 - assembles what was read one by one
    path: Path,
    document: Mapping[str, Any],
    library: Literal["adapters", "peft"],
    keys: CanonicalKeys,
    tensors: TensorFile,
    head_keys: CanonicalKeys | None,
    head: TensorFile | None,
    head_config: Mapping[str, Any] | None,
) -> FolderHeader:
    shared = {
        "path": str(path),
        "format": library,
        "tensors": {key: tensors.headers[stored] for key, stored in sorted(keys.stored.items())},
    }
    if library == "peft":
        return FolderHeader(
            **shared,
            name="",
            config=document,
            base_model=_text(document.get("base_model_name_or_path")),
            base_revision=_text(document.get("revision")),
            version=_text(document.get("peft_version")),
        )
    hidden = document.get("hidden_size")
    return FolderHeader(
        **shared,
        name=keys.name or _text(document.get("name")) or "adapter",
        config=current_config(document, keys.stored, str(path)),
        head_tensors=_head_headers(head_keys, head),
        head_config=head_config,
        base_model=_text(document.get("model_name")),
        model_type=_text(document.get("model_type")),
        hidden_size=hidden if isinstance(hidden, int) else None,
        version=_text(document.get("version")),
        extra={"model_class": document.get("model_class")},
    )


def _head_keys(head: TensorFile, config: Mapping[str, Any], where: str) -> CanonicalKeys:
    """Keys of a head file: flex heads carry the head's name, static heads none."""
    name = config.get("name")
    stored: dict[str, str] = {}
    for key in head.headers:
        parts = key.split(".")
        if parts[0] == "heads" and len(parts) > 2:
            if parts[1] != name:
                raise CheckpointError(f"{where}: {key!r} belongs to a head {parts[1]!r}; {HEAD_CONFIG} names {name!r}")
            parts[1] = "{name}"
        stored[".".join(parts)] = key
    return CanonicalKeys(stored, dict.fromkeys(stored, ""), "", _text(name))


def _head_headers(keys: CanonicalKeys | None, head: TensorFile | None) -> dict[str, TensorHeader]:
    if keys is None or head is None:
        return {}
    return {key: head.headers[stored] for key, stored in sorted(keys.stored.items())}


def _text(value: object) -> str | None:
    """A non-empty text, or None: `adapters` writes an empty name for models that were built from a config."""
    return value if isinstance(value, str) and value else None


def _nearby(path: Path) -> str:
    """What a mistyped path could have meant."""
    import difflib

    if path.parent.is_dir():
        names = [entry.name for entry in path.parent.iterdir() if entry.is_dir()]
        close = difflib.get_close_matches(path.name, names, n=1)
        if close:
            return f"did you mean {path.parent / close[0]}?"
    return "give the folder that `save_adapter` or `save_pretrained` wrote, or a hub id"


def _below(path: Path) -> str | None:
    """PEFT puts adapters that are not called `default` one folder deeper; so do `save_all_adapters` and trainers."""
    found = sorted(child.name for child in path.iterdir() if (child / CONFIG).is_file())
    return f"it lies in a folder below: {', '.join(str(path / name) for name in found)}" if found else None


def _pointer(path: Path) -> str | None:
    """A repository that was cloned without its large files."""
    pointers = [entry.name for entry in path.iterdir() if entry.suffix in {".bin", ".safetensors"}]
    return f"found {', '.join(sorted(pointers))}, which this library does not read" if pointers else None
