"""What MAD-X brings to xlmerge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlmerge.plugin import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xlmerge.plugin import AdapterArchitecture

xlmerge_api_version = 0


@hookimpl
def xlmerge_adapter_architectures() -> Iterable[AdapterArchitecture]:
    """The invertible adapter."""
    from xlmerge_madx.architectures.nice import nice

    return [nice]
