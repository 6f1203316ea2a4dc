"""What to say of a path that leads to no adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "CONFIG",
    "HEAD_CONFIG",
    "hint_for_no_adapter",
    "hint_for_no_folder",
    "hint_for_no_tensors",
    "similar_name",
]

CONFIG = "adapter_config.json"
HEAD_CONFIG = "head_config.json"
FUSION_CONFIG = "adapter_fusion_config.json"


def similar_name(path: Path, *, folders: bool = False) -> str | None:
    """The name beside a path that is most like it, if one is.

    Args:
        path: What is not there.
        folders: Whether to look among folders only.
    """
    import difflib

    try:
        names = [entry.name for entry in path.parent.iterdir() if not folders or entry.is_dir()]
    except OSError:
        return None
    return next(iter(difflib.get_close_matches(path.name, names, n=1)), None)


def hint_for_no_folder(path: Path) -> str:
    """What a mistyped path could have meant."""
    if (name := similar_name(path, folders=True)) is not None:
        return f"did you mean {path.parent / name}?"
    return "give the folder that `save_adapter` or `save_pretrained` wrote, or a hub id"


def hint_for_no_adapter(path: Path) -> str | None:
    """Adapters one folder deeper, where PEFT and trainers put those that are not the only one."""
    if (path / FUSION_CONFIG).is_file():
        return "a fusion lies here, which weighs the outputs of its adapters: merge those adapters"
    if (path / HEAD_CONFIG).is_file():
        return "only a prediction head lies here: give the folder of its adapter"
    found = sorted(child.name for child in path.iterdir() if (child / CONFIG).is_file())
    if not found:
        return None
    return f"it lies in a folder below: {', '.join(str(path / name) for name in found)}"


def hint_for_no_tensors(path: Path) -> str | None:
    """Files of tensors that have other names than those that are looked for."""
    others = [entry.name for entry in path.iterdir() if entry.suffix in {".bin", ".safetensors"}]
    if not others:
        return None
    return f"found {', '.join(sorted(others))}, which this library does not read"
