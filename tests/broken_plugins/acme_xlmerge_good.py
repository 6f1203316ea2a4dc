"""Nothing is wrong here."""

from __future__ import annotations

from collections.abc import Sequence

from xlmerge.plugin import (
    AdapterArchitecture,
    FileHalf,
    Point,
    claim_by_patterns,
    hookimpl,
    merge_method,
)

xlmerge_api_version = 0


@merge_method(summary="The first adapter.", source="made up")
def good_first(space: object, *, adapters: Sequence[Point]) -> Point:
    return adapters[0]


good_adapter = AdapterArchitecture(
    name="good_adapter",
    summary="One plain tensor.",
    source="made up",
    files=(
        FileHalf(format="peft", claim=lambda header: claim_by_patterns(header, ["a"], part="a")),
    ),
)


@hookimpl
def xlmerge_merge_methods() -> object:
    return [good_first]


@hookimpl
def xlmerge_adapter_architectures() -> object:
    yield good_adapter
