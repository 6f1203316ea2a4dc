"""Which adapters a method gets, in which roles and with which weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xlmerge.errors import ParameterError
from xlmerge.plan.merge_step import PlannedInput
from xlmerge.plan.patterns import check_single_values
from xlmerge.plan.problems import nearest
from xlmerge.plugin.parameters import ParameterSpec

if TYPE_CHECKING:
    from xlmerge.plan.problems import Problems
    from xlmerge.plan.request import Draft, Place, StepRequest
    from xlmerge.plugin.method import MergeMethod

__all__ = ["check_distinct_folders", "plan_inputs"]


def plan_inputs(
    request: StepRequest, method: MergeMethod, problems: Problems
) -> tuple[PlannedInput, ...]:
    """The adapters in the method's order: those it takes any number of, then its roles.

    Listed adapters come first, since the output takes its form from the first input and not from
    an optional role. Where their order is without meaning they are sorted by name, so that it
    changes no byte of the output.
    """
    roles = dict(request.roles or {})
    known = [role.name for role in method.roles]
    for role in roles:
        if role not in known:
            problems.refuse(
                ("roles", role),
                f"{method.name} has no role `{role}`{nearest(role, known)}",
                _roles_in_words(method),
            )
    missing = [role.name for role in method.roles if role.required and role.name not in roles]
    if missing:
        problems.refuse(
            ("roles",) if roles else (),
            f"{method.name} needs the role {', '.join(f'`{name}`' for name in missing)}",
            _roles_in_words(method),
        )
    listed = _listed(request, method, problems)
    if method.symmetric:
        listed.sort(key=lambda item: item.name)
    return (
        *listed,
        *(PlannedInput(name=roles[name], role=name) for name in known if name in roles),
    )


def _listed(request: StepRequest, method: MergeMethod, problems: Problems) -> list[PlannedInput]:
    """The adapters without a role."""
    adapters = request.adapters
    if method.count is None:
        if adapters:
            problems.refuse(
                ("adapters",),
                f"{method.name} takes roles, not a list of adapters",
                _roles_in_words(method),
            )
        return []
    names = list(adapters or ())
    most = method.count.most
    if len(names) < method.count.least or (most is not None and len(names) > most):
        place: Place = ("adapters",) if adapters is not None else ()
        plural = "adapter" if method.count.least == most == 1 else "adapters"
        problems.refuse(place, f"{method.name} takes {method.count} {plural}; found {len(names)}")
    if isinstance(adapters, Mapping) and method.weighted == "no":
        problems.refuse(
            ("adapters",),
            f"{method.name} takes no weights",
            f"list the names: adapters: [{', '.join(names)}]",
        )
    if not isinstance(adapters, Mapping):
        if names and method.weighted == "required":
            even = ", ".join(f"{name}: {1 / len(names):.3g}" for name in names)
            problems.refuse(
                ("adapters",),
                f"{method.name} needs a weight for every adapter",
                f"write adapters: {{{even}}}",
            )
        return [PlannedInput(name=name) for name in names]
    return [
        PlannedInput(name=name, weight=_weight(name, adapters[name], problems)) for name in names
    ]


def _weight(name: str, value: Any, problems: Problems) -> Any:
    """A weight, or weights by pattern, as finite floats; None where it is none."""
    spec = ParameterSpec(name=f"weight of {name}", type=float)
    try:
        return check_single_values(spec, value)
    except ParameterError as error:
        problems.refuse_error(("adapters", name), error)
        return None


def _roles_in_words(method: MergeMethod) -> str:
    if not method.roles:
        return f"{method.name} has no roles: name its adapters under `adapters`"
    return "its roles: " + "; ".join(
        f"{role.name}{'' if role.required else ' (optional)'}"
        f"{': ' + role.summary if role.summary else ''}"
        for role in method.roles
    )


def check_distinct_folders(
    method: MergeMethod,
    inputs: tuple[PlannedInput, ...],
    drafts: Mapping[str, Draft],
    problems: Problems,
) -> None:
    """Refuse one adapter in two roles between which the method takes a difference.

    Copies in two folders are found when they are read.
    """
    by_role = {item.role: item.name for item in inputs}
    for first, second in method.distinct:
        if first not in by_role or second not in by_role:
            continue
        a, b = (drafts[by_role[role]] for role in (first, second))
        one_folder = not (a.planned or b.planned) and (
            a.layout.folder.path.resolve() == b.layout.folder.path.resolve()
        )
        if one_folder or by_role[first] == by_role[second]:
            problems.refuse(
                ("roles", second),
                f"{first} and {second} are one adapter, {by_role[first]}: their difference is "
                "zero, and the merge would be without effect",
                f"give {second} another adapter",
            )
