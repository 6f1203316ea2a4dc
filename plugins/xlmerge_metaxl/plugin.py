"""What MetaXL brings to xlmerge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlmerge.plugin import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xlmerge.plugin import AdapterArchitecture, Trainer

xlmerge_api_version = 0


@hookimpl
def xlmerge_adapter_architectures() -> Iterable[AdapterArchitecture]:
    """The representation transformation network."""
    from xlmerge_metaxl.architectures.rtn import rtn

    return [rtn]


@hookimpl
def xlmerge_trainers() -> Iterable[Trainer]:
    """The bi-level trainer."""
    from xlmerge_metaxl.trainers.metaxl import metaxl

    return [metaxl]
