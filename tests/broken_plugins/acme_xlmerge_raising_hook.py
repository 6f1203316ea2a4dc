"""A hook that raises."""

from xlmerge.plugin import hookimpl

xlmerge_api_version = 0


@hookimpl
def xlmerge_merge_methods() -> object:
    raise RuntimeError("no licence file\nin the home folder")
