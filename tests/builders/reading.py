"""What lies in a folder, and changes to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from xlmerge.checkpoint.tensor_file import create_tensor_file, open_tensor_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = [
    "config",
    "document",
    "edit_config",
    "edit_head",
    "edit_tensors",
    "listing",
    "snapshot",
    "tensor_file",
    "tensors",
]

NAMES = ("pytorch_adapter.bin", "adapter.safetensors", "adapter_model.safetensors")
NAMES += ("adapter_model.bin",)
HEADS = ("pytorch_model_head.bin", "model_head.safetensors")


def tensor_file(folder: Path, *, head: bool = False) -> Path:
    """The file with the tensors."""
    return next(folder / name for name in (HEADS if head else NAMES) if (folder / name).exists())


def tensors(folder: Path, *, head: bool = False) -> dict[str, Any]:
    """Stored key to array."""
    with open_tensor_file(tensor_file(folder, head=head)) as file:
        return {key: file.read(key) for key in file.headers}


def document(folder: Path) -> dict[str, Any]:
    """The whole of ``adapter_config.json``."""
    content: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    return content


def config(folder: Path) -> dict[str, Any]:
    """The method's configuration."""
    content = document(folder)
    inner: dict[str, Any] = content.get("config", content)
    return inner


def edit_config(folder: Path, *, top: bool = False, **changes: Any) -> None:
    """Change settings; ``...`` takes one out."""
    content = document(folder)
    target = content if top or "config" not in content else content["config"]
    target.update(changes)
    for key in [key for key, value in target.items() if value is ...]:
        del target[key]
    (folder / "adapter_config.json").write_text(json.dumps(content), encoding="utf-8")


def edit_head(folder: Path, **changes: Any) -> None:
    """Change settings of the head."""
    path = folder / "head_config.json"
    content = json.loads(path.read_text("utf-8"))
    content["config"].update(changes)
    path.write_text(json.dumps(content), encoding="utf-8")


def edit_tensors(
    folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]], *, head: bool = False
) -> None:
    """Write the file anew with other tensors (copies become tensors of their own)."""
    path = tensor_file(folder, head=head)
    arrays = change(tensors(folder, head=head))
    container = "safetensors" if path.suffix == ".safetensors" else "bin"
    path.unlink()
    with create_tensor_file(path, container, list(arrays)) as writer:
        for key, array in arrays.items():
            writer.write(key, array)


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content, to see that nothing was touched."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def listing(folder: Path) -> list[str]:
    """Everything below a folder, hidden things too."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
