"""Singular where the hook is plural."""

from acme_xlmerge_good import good_first

from xlmerge.plugin import hookimpl

xlmerge_api_version = 0


@hookimpl
def xlmerge_merge_method() -> object:
    return [good_first]
