"""How a setting is refused that is known and cannot be merged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from xlmerge.errors import UnsupportedAdapterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlmerge.plugin import FolderHeader

__all__ = ["refuse", "refuse_any"]


def refuse(
    header: FolderHeader, key: str, reason: str, hint: str | None = None
) -> UnsupportedAdapterError:
    """The error for a setting of the configuration, which it quotes."""
    setting = f"{key}: {json.dumps(header.config.get(key), ensure_ascii=False)}"
    return UnsupportedAdapterError(
        f"{header.path}: `{setting}` cannot be merged: {reason}", hint=hint
    )


def refuse_any(header: FolderHeader, reasons: Mapping[str, str]) -> None:
    """Refuse the first setting that is on.

    Args:
        header: The folder.
        reasons: Setting to the reason why it cannot be merged.

    Raises:
        UnsupportedAdapterError: One is on.
    """
    for key, reason in reasons.items():
        if header.config.get(key):
            raise refuse(header, key, reason)
