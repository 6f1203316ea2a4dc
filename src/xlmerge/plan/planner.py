"""From a step of a recipe and the adapters' headers to a planned merge, all problems at once."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from xlmerge.checkpoint.compatibility import BaseModel, compare_layouts
from xlmerge.errors import ParameterError, Problem, XLMergeError
from xlmerge.plan.merge_step import HeadPolicy, MergeStepPlan, PlannedInput
from xlmerge.plan.patterns import check_patterns, constant
from xlmerge.plugin.parameters import AtLeast, ParameterSpec
from xlmerge.spaces.protocol import ignore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from xlmerge.checkpoint.cover import AdapterLayout
    from xlmerge.plugin.architecture import Parameter
    from xlmerge.plugin.method import MergeMethod, Scope
    from xlmerge.plugin.registry import Registered, Registry

__all__ = ["Draft", "StepRequest", "plan_merge"]

Path = tuple[str | int, ...]
_SEED = ParameterSpec(name="seed", type=int, default=0, range=AtLeast(0), summary="of the random draws")


@dataclass(frozen=True, slots=True)
class Draft:
    """An adapter as far as planning knows it: a folder's layout, or that of the step that will write it.

    Attributes:
        layout: Parameters and their meaning. For a step's result, that of its first input.
        head: Layout of the folder whose head it has or will have; None without one.
    """

    layout: AdapterLayout
    head: AdapterLayout | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRequest:
    """A merge as asked for, by a recipe or on the command line.

    Attributes:
        name: Name of the step.
        method: Name of the method.
        adapters: Names, or name to weight.
        roles: Role to name.
        values: What stands under ``with``.
        heads: ``drop``, ``mean``, ``from NAME``, or None.
        dtype: Precision of the output.
        container: Container of the output.
    """

    name: str
    method: str
    adapters: Mapping[str, Any] | tuple[str, ...] | None = None
    roles: Mapping[str, str] | None = None
    values: Mapping[str, Any]
    heads: str | None = None
    dtype: str | None = None
    container: Any = None


class _Planning:
    """The problems of one step as they are found, with their places."""

    def __init__(self, request: StepRequest, where: Callable[[Path], str]) -> None:
        self.request = request
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self._where = where

    def refuse(self, path: Path, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(message=message, where=self._where(path), hint=hint))

    def refuse_error(self, path: Path, error: XLMergeError) -> None:
        self.refuse(path, error.message, error.hint)


def plan_merge(
    request: StepRequest,
    drafts: Mapping[str, Draft],
    base: BaseModel,
    registry: Registry,
    where: Callable[[Path], str],
) -> tuple[MergeStepPlan | None, Draft | None, list[Problem], list[str]]:
    """Plan one merge.

    Args:
        request: What is asked for.
        drafts: Adapters by name; those that could not be read are missing, and are passed over in silence here.
        base: What the user says of the base model.
        registry: Methods and architectures.
        where: Place of a path below the step, for messages.

    Returns:
        The plan and the draft of its result (None where problems were found), problems, warnings.
    """
    planning = _Planning(request, where)
    try:
        registered = registry.method(request.method)
    except XLMergeError as error:
        planning.refuse_error(("merge",), error)
        return None, None, planning.problems, planning.warnings
    method = registered.descriptor
    inputs = _inputs(method, planning)
    if planning.problems or any(item.name not in drafts for item in inputs):
        return None, None, planning.problems, planning.warnings
    layouts = {item.name: drafts[item.name].layout for item in inputs}
    verdict = compare_layouts(layouts, base, any_dtype=request.dtype is not None)
    for problem in verdict.problems:
        planning.refuse((), f"{request.name}: {problem.message}", problem.hint)
    planning.warnings += verdict.warnings
    values = _values(method, layouts, planning)
    heads = _heads(method, inputs, drafts, planning)
    if planning.problems or values is None or heads is None:
        return None, None, planning.problems, planning.warnings
    parameters, options, scope, seed = values
    plan = MergeStepPlan(
        name=request.name,
        method=registered,
        inputs=inputs,
        parameters=parameters,
        options=options,
        scope=scope,
        seed=seed,
        heads=heads,
        dtype=request.dtype,
        container=request.container,
        base=base,
    )
    _check_values(plan, layouts[inputs[0].name], layouts.values(), planning)
    if planning.problems:
        return None, None, planning.problems, planning.warnings
    return plan, _draft(plan, drafts), planning.problems, planning.warnings


# --- inputs ---------------------------------------------------------------------------------------------------


def _inputs(method: MergeMethod, planning: _Planning) -> tuple[PlannedInput, ...]:
    """The adapters in the method's order: roles as declared, then the others."""
    request = planning.request
    roles = dict(request.roles or {})
    known = [role.name for role in method.roles]
    for role in roles:
        if role not in known:
            planning.refuse(("roles", role), f"{method.name} has no role `{role}`{_nearest(role, known)}", _roles(method))
    missing = [role.name for role in method.roles if role.required and role.name not in roles]
    if missing:
        planning.refuse(
            ("roles",) if roles else (), f"{method.name} needs the role {', '.join(f'`{name}`' for name in missing)}",
            _roles(method),
        )
    planned = [PlannedInput(name=roles[name], role=name) for name in known if name in roles]
    listed = _listed(method, planning)
    if method.symmetric:
        listed.sort(key=lambda item: item.name)
    # The recipe's adapters come first if there are any: the output takes its form from them, not from an optional role.
    return tuple([*listed, *planned] if method.count is not None else planned)


def _listed(method: MergeMethod, planning: _Planning) -> list[PlannedInput]:
    adapters = planning.request.adapters
    if method.count is None:
        if adapters:
            planning.refuse(("adapters",), f"{method.name} takes roles, not a list of adapters", _roles(method))
        return []
    names = list(adapters or ())
    if len(names) < method.count.least or (method.count.most is not None and len(names) > method.count.most):
        place: Path = ("adapters",) if adapters is not None else ()
        planning.refuse(place, f"{method.name} takes {method.count} adapters; found {len(names)}")
    weighted = isinstance(adapters, Mapping)
    if weighted and method.weighted == "no":
        planning.refuse(
            ("adapters",), f"{method.name} takes no weights", f"list the names: adapters: [{', '.join(names)}]"
        )
    if not weighted and names and method.weighted == "required":
        planning.refuse(
            ("adapters",),
            f"{method.name} needs a weight for every adapter",
            f"write adapters: {{{', '.join(f'{name}: {1 / len(names):.3g}' for name in names)}}}",
        )
    return [PlannedInput(name=name, weight=adapters[name] if isinstance(adapters, Mapping) else None) for name in names]


def _roles(method: MergeMethod) -> str:
    if not method.roles:
        return f"{method.name} has no roles: name its adapters under `adapters`"
    return "its roles: " + "; ".join(
        f"{role.name}{'' if role.required else ' (optional)'}{': ' + role.summary if role.summary else ''}"
        for role in method.roles
    )


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean `{close[0]}`?" if close else ""


# --- values ---------------------------------------------------------------------------------------------------


def _options(layouts: Iterable[AdapterLayout]) -> dict[str, ParameterSpec]:
    """Options of all spaces that occur."""
    return {
        spec.name: spec
        for layout in layouts
        for covered in layout.covered
        if any(parameter.part != "head" for bundle in covered.claim.bundles for parameter in bundle.parameters)
        for spec in covered.half.options
    }


def _values(
    method: MergeMethod, layouts: Mapping[str, AdapterLayout], planning: _Planning
) -> tuple[dict[str, Any], dict[str, Any], Scope, int] | None:
    """Sort what stands under ``with`` into the method's parameters, the spaces' options, scope and seed."""
    given = dict(planning.request.values)
    options = _options(layouts.values())
    specs = {spec.name: spec for spec in method.parameters}
    scope: Any = given.pop("scope", method.scopes[0])
    if scope not in method.scopes:
        planning.refuse(
            ("with", "scope"), f"{method.name} works per {' or '.join(method.scopes)}; found scope {scope!r}"
        )
    seed = 0
    if method.random:
        seed = _checked(_SEED, given.pop("seed", 0), planning) or 0
    known = [*specs, *options, "scope", *(["seed"] if method.random else [])]
    for name in given:
        if name not in specs and name not in options:
            kinds = " + ".join(sorted({c.architecture.name for lay in layouts.values() for c in lay.covered} - {"head"}))
            planning.refuse(
                ("with", name),
                f"{method.name} on {kinds} has no parameter `{name}`{_nearest(name, known)}",
                f"its parameters: {', '.join(sorted(known))} (`xlmerge methods show {method.name}`)",
            )
    parameters = {
        name: _checked(spec, given[name], planning) if name in given else spec.default for name, spec in specs.items()
    }
    for name, spec in specs.items():
        if spec.required and name not in given:
            planning.refuse(("with",), f"{method.name} needs `{name}`: {spec.describe()}", spec.summary or None)
    chosen = {name: _checked(options[name], value, planning) for name, value in given.items() if name in options}
    return None if planning.problems else (parameters, chosen, scope, seed)


def _checked(spec: ParameterSpec, value: Any, planning: _Planning) -> Any:
    """A value in its declared type, pattern by pattern."""
    try:
        if isinstance(value, Mapping):
            return {pattern: spec.check(single) for pattern, single in value.items()}
        return spec.check(value)
    except ParameterError as error:
        planning.refuse(("with", spec.name), error.message, error.hint)
        return None


def _check_values(
    plan: MergeStepPlan, template: AdapterLayout, layouts: Iterable[AdapterLayout], planning: _Planning
) -> None:
    """Check patterns against the parameters there are, and the spaces against what the method does."""
    parameters = list(template.parameters().values())
    varying: list[tuple[Path, str, Any]] = [
        (("adapters", item.name), f"the weight of {item.name}", item.weight) for item in plan.inputs if item.role is None
    ]
    varying += [(("with", name), f"`{name}`", value) for name, value in {**plan.parameters, **plan.options}.items()]
    for path, what, value in varying:
        try:
            check_patterns(what, value, parameters)
            if path[-1] not in plan.options:
                for span, members in _spans(plan.scope, parameters):
                    constant(what, value, members, span)
        except ParameterError as error:
            planning.refuse_error(path, error)
    if planning.problems:
        return
    try:
        _check_spaces(plan, template, list(layouts))
    except XLMergeError as error:
        planning.refuse_error(("with",), error)


def _spans(scope: Scope, parameters: list[Parameter]) -> list[tuple[str, list[Parameter]]]:
    """Parameters that one call of the method sees together."""
    if scope == "parameter":
        return []
    if scope == "adapter":
        return [("adapter", parameters)]
    groups: dict[Any, list[Parameter]] = {}
    for parameter in parameters:
        groups.setdefault(layer_of(parameter), []).append(parameter)
    return [("layer", members) for members in groups.values()]


def layer_of(parameter: Parameter) -> int | str:
    """The layer a parameter belongs to; what lies outside the layers goes by its part."""
    return parameter.part if parameter.layer is None else parameter.layer


def _check_spaces(plan: MergeStepPlan, template: AdapterLayout, layouts: list[AdapterLayout]) -> None:
    """Build one space per architecture, and see that it takes what the method makes.

    Raises:
        XLMergeError: The options contradict each other, or an element-wise method has no form for its result.
    """
    from xlmerge.plan.patterns import value_for

    peers = [layout.parameters() for layout in layouts]
    for covered, bundle in template.bundles():
        parameter = bundle.parameters[0]
        options = {
            spec.name: value_for(plan.options[spec.name], parameter)
            for spec in covered.half.options
            if spec.name in plan.options
        }
        space = covered.half.space([known[parameter.name] for known in peers], ignore, **options)
        needs = getattr(space, "needs_compression", False)
        if plan.method.descriptor.elementwise and needs:
            raise ParameterError(
                f"{plan.method.descriptor.name} works on the entries of the full delta, whose result has full rank; "
                f"{covered.architecture.name} needs to know how to bring it into its form",
                hint="give `rank: 16` or `tolerance: 0.05` (the discarded share is reported), or `elements: factors` to "
                "work on A and B each for itself",
            )


# --- heads ----------------------------------------------------------------------------------------------------


def _heads(
    method: MergeMethod, inputs: tuple[PlannedInput, ...], drafts: Mapping[str, Draft], planning: _Planning
) -> HeadPolicy | None:
    """Decide what becomes of the inputs' heads."""
    asked = planning.request.heads
    with_head = [item.name for item in inputs if drafts[item.name].head is not None]
    by_role = {item.role: item.name for item in inputs}
    if asked == "drop":
        return HeadPolicy(action="drop" if with_head else "none")
    if asked is not None and method.heads == "drop":
        planning.refuse(("heads",), f"{method.name} never carries a head; found `heads: {asked}`", "write `heads: drop`")
        return None
    if asked is not None and asked.startswith("from "):
        name = asked.removeprefix("from ").strip()
        if name not in {item.name for item in inputs}:
            planning.refuse(("heads",), f"`{name}` is not among the inputs: {', '.join(item.name for item in inputs)}")
        elif name not in with_head:
            planning.refuse(("heads",), f"`{name}` has no head; with a head: {', '.join(with_head) or 'none'}")
        return HeadPolicy(action="from", sources=(name,))
    if asked == "mean":
        return _mean_head(with_head, drafts, planning)
    if method.heads == "drop":
        return HeadPolicy(action="drop" if with_head else "none")
    if method.heads.startswith("from "):
        name = by_role.get(method.heads.removeprefix("from "), "")
        if name in with_head:
            return HeadPolicy(action="from", sources=(name,))
        return HeadPolicy(action="drop" if with_head else "none")
    if len(with_head) > 1:
        planning.refuse(
            (),
            f"{planning.request.name}: {len(with_head)} inputs have a prediction head ({', '.join(with_head)}), and the "
            "recipe does not say which to keep",
            f"add `heads: from {with_head[0]}`, `heads: mean` or `heads: drop`",
        )
        return None
    return HeadPolicy(action="from", sources=tuple(with_head)) if with_head else HeadPolicy()


def _mean_head(with_head: list[str], drafts: Mapping[str, Draft], planning: _Planning) -> HeadPolicy | None:
    if not with_head:
        planning.refuse(("heads",), "`heads: mean`, but no input has a head")
        return None
    known = [(name, head) for name in with_head if (head := drafts[name].head) is not None]
    first_name, first = known[0]
    for name, head in known[1:]:
        left = {key: parameter.shape for key, parameter in first.parameters(head=True).items()}
        right = {key: parameter.shape for key, parameter in head.parameters(head=True).items()}
        if left != right:
            planning.refuse(("heads",), f"the heads of {first_name} and {name} differ in form", f"write `heads: from {name}`")
            return None
        labels = [_labels(layout) for layout in (first, head)]
        if labels[0] != labels[1]:
            planning.refuse(
                ("heads",),
                f"the heads of {first_name} and {name} have different labels: {labels[0]} and {labels[1]}",
                f"write `heads: from {name}`",
            )
            return None
    return HeadPolicy(action="mean", sources=tuple(with_head))


def _labels(layout: AdapterLayout) -> Any:
    """The label map of a head, where the folder has one."""
    config = layout.folder.header.head_config or {}
    return (config.get("config") or config).get("label2id")


# --- the result -----------------------------------------------------------------------------------------------


def _draft(plan: MergeStepPlan, drafts: Mapping[str, Draft]) -> Draft:
    """The result as later steps see it before it exists."""
    layout = drafts[plan.inputs[0].name].layout
    if plan.dtype is not None:
        header = layout.folder.header
        tensors = {key: replace(tensor, dtype=plan.dtype) for key, tensor in header.tensors.items()}
        layout = replace(layout, folder=replace(layout.folder, header=replace(header, tensors=tensors)))
    head = drafts[plan.heads.sources[0]].head if plan.heads.sources else None
    return Draft(layout, head)
