"""What MAD-X brings to xlmerge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlmerge.plugin import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xlmerge.plugin import AdapterArchitecture, CompositionRule, Trainer

xlmerge_api_version = 0


@hookimpl
def xlmerge_adapter_architectures() -> Iterable[AdapterArchitecture]:
    """The invertible adapters."""
    from xlmerge_madx.architectures.affine import affine
    from xlmerge_madx.architectures.nice import nice

    return [affine, nice]


@hookimpl
def xlmerge_composition_rules() -> Iterable[CompositionRule]:
    """Language and task."""
    from xlmerge_madx.compositions.madx import madx

    return [madx]


@hookimpl
def xlmerge_trainers() -> Iterable[Trainer]:
    """Language adapters."""
    from xlmerge_madx.trainers.language_adapter import language_adapter

    return [language_adapter]
