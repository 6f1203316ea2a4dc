"""Does not say which plugin API it is written for."""

from xlmerge.plugin import hookimpl


@hookimpl
def xlmerge_merge_methods() -> object:
    return []
