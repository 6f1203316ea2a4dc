"""A generator that raises after its first descriptor."""

from acme_xlmerge_good import good_adapter

from xlmerge.plugin import hookimpl

xlmerge_api_version = 0


@hookimpl
def xlmerge_adapter_architectures() -> object:
    yield good_adapter
    raise KeyError("second")
