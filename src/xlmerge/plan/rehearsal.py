"""A method called without adapters, to hear what it says of its parameters.

Some conditions hold between several values (weights that must sum to 1), so no declaration of one
value can state them; the method itself raises :class:`ParameterError`. Calling it on a space that
calculates nothing brings that to light before a file is read, and tells which of a space's
operations the method uses: an option that only another one reads would be ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from xlmerge.errors import ParameterError
from xlmerge.plan.patterns import value_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from xlmerge.checkpoint.cover import AdapterLayout
    from xlmerge.plan.merge_step import MergeStepPlan
    from xlmerge.plan.problems import Problems
    from xlmerge.plugin.architecture import Parameter

__all__ = ["rehearse"]


def rehearse(plan: MergeStepPlan, template: AdapterLayout, problems: Problems) -> None:
    """Call the method once for every set of values that it is going to see.

    Args:
        plan: The merge.
        template: Layout of the first input.
        problems: Where problems go.
    """
    transports = _call(plan, template.parameters().values(), problems)
    if transports or problems:
        return
    for covered in template.covered_adapter:
        for name in covered.half.transport_options:
            if name in plan.options:
                problems.refuse(
                    ("with", name),
                    f"`{name}` has no effect here: it says how {covered.architecture.name} carries "
                    f"a step from one adapter to another, and {plan.method.descriptor.name} "
                    "carries none",
                    f"leave `{name}` out",
                )


def _call(plan: MergeStepPlan, parameters: Iterable[Parameter], problems: Problems) -> bool:
    """Call the method; whether it uses (or may use) the spaces' transport."""
    transports = False
    method = plan.method.descriptor
    seen: set[str] = set()
    for parameter in parameters:
        values = {name: value_for(value, parameter) for name, value in plan.parameters.items()}
        listed = [item for item in plan.inputs if item.role is None]
        weights = [value_for(item.weight, parameter) for item in listed]
        if (shown := repr((values, weights))) in seen:
            continue
        seen.add(shown)
        arguments: dict[str, Any] = {item.role: _POINT for item in plan.inputs if item.role}
        if method.count is not None:
            arguments["adapters"] = [_POINT for _ in listed]
        if any(weight is not None for weight in weights):
            arguments["weights"] = weights
        if method.random:
            arguments["rng"] = _POINT
        space = _NoSpace()
        try:
            method(space, **values, **arguments)
        except ParameterError as error:
            place = ("adapters",) if any(w is not None for w in weights) else ("with",)
            problems.refuse_error(place, error)
            return True
        except Exception:  # noqa: BLE001 - a method may look into points, which are none here
            transports = True  # nobody knows
        transports |= space.transported
    return transports


_POINT: Any = object()


@final
class _NoSpace:
    """A space of which nothing is known but that it is one."""

    name = "rehearsal"
    reaches_target = True

    def __init__(self) -> None:
        self.transported = False

    def delta(self, x: Any) -> Any:
        return x

    def restore(self, d: Any) -> Any:
        return d

    def lincomb(self, weights: Iterable[float], deltas: Iterable[Any]) -> Any:
        del weights, deltas
        return _POINT

    def inner(self, d: Any, e: Any) -> float:
        del d, e
        return 1.0

    def dense(self, d: Any) -> Any:
        return d

    def undense(self, array: Any) -> Any:
        return array

    def elementwise(self, function: Callable[..., Any], *dense: Any) -> Any:
        del function, dense
        return _POINT

    def kth_magnitude(self, dense: Any, kept: int) -> float:
        del dense, kept
        return 1.0

    def size(self, dense: Any) -> int:
        del dense
        return 1_000_000

    def transport(self, x: Any, source: Any, target: Any, t: float) -> Any:
        del source, target, t
        self.transported = True
        return x
