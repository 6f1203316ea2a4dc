"""A hook that waits for something xlmerge does not give."""

from xlmerge.plugin import hookimpl

xlmerge_api_version = 0


@hookimpl
def xlmerge_trainers(model: object) -> object:
    return []
