"""A plain function where a composition rule is wanted."""

from xlmerge.plugin import hookimpl

xlmerge_api_version = 0


def above(live: object, *, children: list[object]) -> object:
    return children[0]


@hookimpl
def xlmerge_composition_rules() -> object:
    return [above]
