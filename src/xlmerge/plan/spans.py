"""Which parameters one call of a method sees together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xlmerge.plugin.architecture import Parameter
    from xlmerge.plugin.method import Scope

__all__ = ["span_of", "spans"]


def span_of(scope: Scope, parameter: Parameter) -> str:
    """The span that a parameter belongs to; what lies outside the layers goes by its part."""
    if scope == "parameter":
        return parameter.name
    if scope == "adapter":
        return "adapter"
    return parameter.part if parameter.layer is None else f"layer {parameter.layer}"


def spans(scope: Scope, parameters: Iterable[Parameter]) -> dict[str, list[Parameter]]:
    """Parameters by span, in their order."""
    groups: dict[str, list[Parameter]] = {}
    for parameter in parameters:
        groups.setdefault(span_of(scope, parameter), []).append(parameter)
    return groups
