"""What stands under ``with``: the method's parameters, the spaces' options, scope and seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xlmerge.errors import ParameterError, XLMergeError
from xlmerge.plan.patterns import check_patterns, check_single_values, constant, value_for
from xlmerge.plan.problems import nearest
from xlmerge.plan.spans import spans
from xlmerge.plugin.parameters import AtLeast, ParameterSpec
from xlmerge.spaces.protocol import ignore

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xlmerge.checkpoint.cover import AdapterLayout, Covered
    from xlmerge.plan.merge_step import MergeStepPlan
    from xlmerge.plan.problems import Problems
    from xlmerge.plan.request import Place, StepRequest
    from xlmerge.plugin.architecture import Parameter
    from xlmerge.plugin.method import MergeMethod, Scope

__all__ = ["Values", "check_spaces", "check_values", "options_for", "plan_values"]

_SEED = ParameterSpec(name="seed", type=int, default=0, range=AtLeast(0), summary="of the draws")


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Values in their declared types.

    Attributes:
        parameters: The method's parameters, defaults filled in; each plain or by pattern.
        options: Options of the spaces that were given.
        scope: What one call of the method spans.
        seed: For methods that draw random numbers.
    """

    parameters: dict[str, Any]
    options: dict[str, Any]
    scope: Scope
    seed: int


def plan_values(
    request: StepRequest,
    method: MergeMethod,
    layouts: Sequence[AdapterLayout],
    problems: Problems,
) -> Values | None:
    """Sort what stands under ``with``; None where something is wrong with it.

    Args:
        request: What is asked for.
        method: The method.
        layouts: The inputs; empty if they could not be read, which leaves open what options
            there are.
        problems: Where problems go.
    """
    before = len(problems.found)
    given = dict(request.values)
    specs = {spec.name: spec for spec in method.parameters}
    options = _options(layouts)
    scope = _scope(method, given, problems)
    seed = _seed(given, problems) if method.random else 0
    for name in given:
        if name in specs and name in options:
            problems.refuse(
                ("with", name),
                f"`{name}` is both a parameter of {method.name} and an option of "
                f"{' and '.join(options[name])}, so that it cannot be said which is meant",
                "one of the two plugins has to rename it",
            )
        elif name not in specs and name not in options and layouts:
            _refuse_unknown(name, method, layouts, options, problems)
    parameters = {
        name: _checked(spec, given[name], problems) if name in given else spec.default
        for name, spec in specs.items()
    }
    for name, spec in specs.items():
        if spec.required and name not in given:
            problems.refuse(
                ("with",), f"{method.name} needs `{name}`: {spec.describe()}", spec.summary or None
            )
    chosen = {
        name: _checked(spec, value, problems)
        for name, value in given.items()
        for spec in options.get(name, {}).values()
    }
    if len(problems.found) > before or scope is None or seed is None:
        return None
    return Values(parameters=parameters, options=chosen, scope=scope, seed=seed)


def _options(layouts: Iterable[AdapterLayout]) -> dict[str, dict[str, ParameterSpec]]:
    """Options of all spaces that occur: name to architecture to declaration."""
    found: dict[str, dict[str, ParameterSpec]] = {}
    for layout in layouts:
        for covered in layout.covered_adapter:
            for spec in covered.half.options:
                found.setdefault(spec.name, {})[covered.architecture.name] = spec
    return found


def _scope(method: MergeMethod, given: dict[str, Any], problems: Problems) -> Scope | None:
    asked = given.pop("scope", method.scopes[0])
    scope = next((known for known in method.scopes if known == asked), None)
    if scope is None:
        problems.refuse(
            ("with", "scope"),
            f"{method.name} works per {' or '.join(method.scopes)}; found scope {asked!r}",
        )
    return scope


def _seed(given: dict[str, Any], problems: Problems) -> int | None:
    asked = given.pop("seed", 0)
    if isinstance(asked, Mapping):
        problems.refuse(
            ("with", "seed"),
            "`seed` is one number for the whole step; found patterns",
            "draws differ from parameter to parameter under one seed, too",
        )
        return None
    seed = _checked(_SEED, asked, problems)
    return None if seed is None else int(seed)


def _refuse_unknown(
    name: str,
    method: MergeMethod,
    layouts: Sequence[AdapterLayout],
    options: Mapping[str, object],
    problems: Problems,
) -> None:
    kinds = sorted({c.architecture.name for layout in layouts for c in layout.covered_adapter})
    known = [spec.name for spec in method.parameters]
    known += [*options, "scope", *(["seed"] if method.random else [])]
    problems.refuse(
        ("with", name),
        f"{method.name} on {' + '.join(kinds)} has no parameter `{name}`{nearest(name, known)}",
        f"its parameters: {', '.join(sorted(known))} (`xlmerge methods show {method.name}`)",
    )


def _checked(spec: ParameterSpec, value: Any, problems: Problems) -> Any:
    try:
        return check_single_values(spec, value)
    except ParameterError as error:
        problems.refuse_error(("with", spec.name), error)
        return None


def check_values(plan: MergeStepPlan, template: AdapterLayout, problems: Problems) -> None:
    """Check patterns against the parameters there are."""
    everything = list(template.parameters().values())
    taken_by = {
        name: [
            parameter
            for covered, bundle in template.bundles()
            if name in {spec.name for spec in covered.half.options}
            for parameter in bundle.parameters
        ]
        for name in plan.options
    }
    varying: list[tuple[Place, str, Any]] = [
        (("adapters", item.name), f"the weight of {item.name}", item.weight)
        for item in plan.inputs
        if item.role is None
    ]
    varying += [(("with", name), f"`{name}`", value) for name, value in plan.parameters.items()]
    for place, what, value in varying:
        try:
            check_patterns(what, value, everything)
            if plan.scope != "parameter":
                for span, members in spans(plan.scope, everything).items():
                    constant(what, value, members, span)
        except ParameterError as error:
            problems.refuse_error(place, error)
    # Options belong to single parameters' spaces, whatever one call of the method spans.
    for name, value in plan.options.items():
        try:
            check_patterns(f"`{name}`", value, taken_by[name])
        except ParameterError as error:
            problems.refuse_error(("with", name), error)


def check_spaces(plan: MergeStepPlan, layouts: Sequence[AdapterLayout], problems: Problems) -> None:
    """Build the space of every parameter, and see that it takes what the method makes."""
    peers = [layout.parameters() for layout in layouts]
    for covered, bundle in layouts[0].bundles():
        for parameter in bundle.parameters:
            options = options_for(plan, covered, parameter)
            try:
                space = covered.half.space(
                    [known[parameter.name] for known in peers], ignore, **options
                )
            except XLMergeError as error:
                problems.refuse_error(("with",), error)
                return
            if plan.method.descriptor.elementwise and getattr(space, "needs_compression", False):
                problems.refuse(
                    ("with",),
                    f"{plan.method.descriptor.name} works on the entries of the full delta, whose "
                    f"result has full rank; {covered.architecture.name} needs to know how to bring "
                    f"it into its form ({parameter.name})",
                    "give `rank: 16` or `tolerance: 0.05` (the discarded share is reported), or "
                    "`elements: factors` to work on A and B each for itself",
                )
                return


def options_for(plan: MergeStepPlan, covered: Covered, parameter: Parameter) -> dict[str, Any]:
    """The options of one parameter's space."""
    return {
        spec.name: value_for(plan.options[spec.name], parameter)
        for spec in covered.half.options
        if spec.name in plan.options
    }
