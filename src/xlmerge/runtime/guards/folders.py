"""Adapters of a folder that the library cannot load or run rightly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.checkpoint.folder import CONFIG
from xlmerge.checkpoint.json_file import read_json
from xlmerge.errors import CheckpointError, CompositionError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["adapter_settings", "check_adapter", "parts_of"]


def adapter_settings(label: str, folder: Path) -> Mapping[str, Any]:
    """Content of ``adapter_config.json``.

    Args:
        label: The adapter's name in the recipe, for messages.
        folder: Its folder.

    Raises:
        CheckpointError: It cannot be read.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise CheckpointError(
            f"{label}: {folder} holds no {CONFIG}",
            hint="give the folder that the adapter was saved to",
        )
    return read_json(path)


def check_adapter(label: str, folder: Path) -> None:
    """Refuse an adapter that the library would load at random, or not run at all.

    Args:
        label: Its name in the recipe, for messages.
        folder: Its folder, of the adapters library.

    Raises:
        CheckpointError: The folder cannot be read.
        CompositionError: It has a coupling that the library cannot run (GLOW, adapters 1.3.0
            mixes up axes), or soft prompts, whose weights are not loaded under a new name.
    """
    config = adapter_settings(label, folder).get("config")
    for part in parts_of(config if isinstance(config, dict) else {}):
        if str(part.get("inv_adapter")).lower() == "glow":
            raise CompositionError(
                f"{label}: its invertible adapter is of the kind `glow`, which the adapters "
                "library cannot run: it takes tokens for features",
                hint="train it again with `inv_adapter: nice`",
            )
        if part.get("architecture") == "prompt_tuning":
            raise CompositionError(
                f"{label}: the adapters library does not load the weights of soft prompts under "
                "another name; they would be random",
                hint="use a prefix (`prefix_tuning`), or merge it in PEFT's format",
            )


def parts_of(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A configuration, or those that a union is made of."""
    if config.get("architecture") != "union":
        return [config]
    return [inner for part in config.get("configs", ()) for inner in parts_of(part)]
