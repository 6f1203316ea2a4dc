"""A composition rule with an argument that no recipe could fill in."""

from xlmerge.plugin import Child, composition_rule, hookimpl

xlmerge_api_version = 0


@composition_rule(kind="inside", summary="Two.", source="made up")
def pair(live: object, *, lower: Child, upper: object) -> object:
    return lower


@hookimpl
def xlmerge_composition_rules() -> object:
    return [pair]
