"""A name that recipes cannot use, beside a good one."""

from acme_xlmerge_good import good_first

from xlmerge.plugin import AdapterArchitecture, MergeMethod, hookimpl

xlmerge_api_version = 0


@hookimpl
def xlmerge_adapter_architectures() -> object:
    return [AdapterArchitecture(name="fine_adapter", summary="Fine.", source="made up")]


@hookimpl
def xlmerge_merge_methods() -> object:
    return [
        MergeMethod(
            name="Bad-Name",
            summary="Fine.",
            source="made up",
            function=good_first.function,
            count=good_first.count,
        )
    ]
