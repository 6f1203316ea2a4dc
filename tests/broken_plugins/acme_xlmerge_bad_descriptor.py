"""A plain function where a descriptor is wanted."""

from xlmerge.plugin import hookimpl

xlmerge_api_version = 0


def forgotten_decorator(space: object, *, adapters: list[object]) -> object:
    return adapters[0]


@hookimpl
def xlmerge_merge_methods() -> object:
    return [forgotten_decorator]
