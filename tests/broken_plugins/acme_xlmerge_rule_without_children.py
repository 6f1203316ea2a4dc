"""A composition rule whose signature declares nothing to compose."""

from xlmerge.plugin import composition_rule, hookimpl

xlmerge_api_version = 0


@composition_rule(kind="inside", summary="Nothing.", source="made up")
def nothing(live: object, *, count: int = 2) -> object:
    return None


@hookimpl
def xlmerge_composition_rules() -> object:
    return [nothing]
