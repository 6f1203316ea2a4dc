"""An annotation of a method that exists for the type checker only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlmerge.plugin import hookimpl, merge_method

if TYPE_CHECKING:
    from collections.abc import Sequence  # noqa: TC004 - the fault

    from xlmerge.plugin import Point  # noqa: TC004 - the fault

xlmerge_api_version = 0


@merge_method(summary="The first adapter.", source="made up")
def first(space: object, *, adapters: Sequence[Point]) -> Point:
    return adapters[0]


@hookimpl
def xlmerge_merge_methods() -> object:
    return [first]
