"""The hook of the plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlmerge.plugin import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xlmerge.plugin import MergeMethod

xlmerge_api_version = 0


@hookimpl
def xlmerge_merge_methods() -> Iterable[MergeMethod]:
    """The method of the paper."""
    from xlmerge_adamergex.merges.adamergex import adamergex

    return [adamergex]
