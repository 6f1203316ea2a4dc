"""One instance of a step, made from what the recipe says and the values of its variables."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from xlmerge.recipe.compositions import composition, composition_text
from xlmerge.recipe.expanded import (
    ExpandedCell,
    ExpandedEvaluate,
    ExpandedMerge,
    ExpandedTrain,
)
from xlmerge.recipe.names import mapping
from xlmerge.recipe.values import (
    CONTAINERS,
    DTYPES,
    check_choice,
    check_heads,
    check_number,
    heads_source,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xlmerge.recipe.document import KeyPath
    from xlmerge.recipe.scope import Scope
    from xlmerge.recipe.templates import Bindings

__all__ = ["cells", "evaluation", "merge_instance", "train_instance"]


def merge_instance(
    name: str, step_name: str, step: Mapping[str, Any], bindings: Bindings, scope: Scope
) -> ExpandedMerge:
    """A merge step with these values; from broken data a broken one.

    Args:
        name: The instance's name.
        step_name: The step's.
        step: The step as plain data.
        bindings: The instance's values.
        scope: Resolves names, and hears what is wrong.
    """
    adapters = step.get("adapters")
    if isinstance(adapters, Mapping):
        weights = {key: _weight(adapters[key], ("adapters", key), scope) for key in adapters}
        adapters = scope.keyed(weights, ("adapters",), "adapter")
    elif isinstance(adapters, list | tuple):
        adapters = scope.listed(adapters, ("adapters",), "adapter")
    roles = step.get("roles")
    if isinstance(roles, Mapping):
        roles = {role: scope.reference(roles[role], ("roles", role), "adapter") for role in roles}
    heads = scope.checked(step.get("heads"), ("heads",), check_heads)
    source = heads_source(heads)
    if source is not None:
        heads = f"from {scope.reference(source, ('heads',), 'adapter')}"
    return ExpandedMerge(
        name=name,
        step=step_name,
        bindings=bindings,
        merge=scope.text(step.get("merge"), ("merge",)),
        adapters=adapters,
        roles=roles,
        values=scope.filled(mapping(step.get("with")), ("with",)),
        heads=heads,
        dtype=scope.checked(step.get("dtype"), ("dtype",), partial(check_choice, choices=DTYPES)),
        format=scope.checked(
            step.get("format"), ("format",), partial(check_choice, choices=CONTAINERS)
        ),
        written=scope.written,
    )


def train_instance(
    name: str, step_name: str, step: Mapping[str, Any], bindings: Bindings, scope: Scope
) -> ExpandedTrain:
    """A training step with these values; see `merge_instance` for the arguments."""
    given = step.get("data")
    data = (
        {role: _datasets(given[role], ("data", role), scope) for role in given}
        if isinstance(given, Mapping)
        else {"": _datasets(given, ("data",), scope)}
    )
    on = step.get("on")
    each = on if isinstance(on, list | tuple) else ()
    adapter = step.get("adapter")
    task, options = _task(step, "task", scope)
    return ExpandedTrain(
        name=name,
        step=step_name,
        bindings=bindings,
        train=scope.text(step.get("train"), ("train",)),
        task=task,
        task_options=options,
        on=None if on is None or each else composition(on, ("on",), scope),
        on_each=tuple(
            tree
            for at, one in enumerate(each)
            if (tree := composition(one, ("on", at), scope)) is not None
        ),
        data=data,
        adapter=scope.filled(adapter, ("adapter",))
        if isinstance(adapter, Mapping)
        else scope.text(adapter, ("adapter",)),
        values=scope.filled(mapping(step.get("with")), ("with",)),
        written=scope.written,
    )


def evaluation(
    step_name: str, step: Mapping[str, Any], variables: tuple[str, ...], scope: Scope
) -> ExpandedEvaluate:
    """An evaluation step but for its cells.

    Args:
        step_name: The step's name.
        step: The step as plain data.
        variables: The variables of its ``for_each``.
        scope: One without bindings: what is said here is said for the whole table.
    """
    rows = _rows(step)
    task, options = _task(step, "evaluate", scope)
    baseline = scope.text(step.get("baseline"), ("baseline",))
    return ExpandedEvaluate(
        name=step_name,
        step=step_name,
        task=task or "",
        task_options=options,
        split=scope.text(step.get("split") or "test", ("split",)),
        columns=tuple(variable for variable in variables if variable != "seed"),
        baseline=(baseline or rows[0][0]) if len(rows) > 1 else None,
        values=scope.filled(mapping(step.get("with")), ("with",)),
        composed=step.get("compose") is not None,
        written=scope.written,
    )


def cells(step: Mapping[str, Any], bindings: Bindings, scope: Scope) -> Iterator[ExpandedCell]:
    """The cells of a table for one combination of values, one a row.

    Args:
        step: The evaluation step as plain data.
        bindings: The values.
        scope: Resolves names with these.
    """
    data = scope.reference(step.get("data"), ("data",), "dataset")
    head = scope.reference(step.get("head"), ("head",), "head")
    seed = bindings.get("seed")
    column = "/".join(str(value) for name, value in bindings.items() if name != "seed")
    for label, composed, path in _rows(step):
        tree = composition(composed, path, scope)
        if tree is not None:
            yield ExpandedCell(
                row=label,
                column=column,
                seed=None if seed is None else str(seed),
                tree=tree,
                data=data,
                head=head,
            )


def _rows(step: Mapping[str, Any]) -> list[tuple[str, Any, KeyPath]]:
    """Label, composition and place of each row."""
    rows: list[tuple[str, Any, KeyPath]] = [
        (label, tree, ("rows", label)) for label, tree in mapping(step.get("rows")).items()
    ]
    composed = step.get("compose")
    if composed is None:
        return rows
    return [*rows, (composition_text(composed), composed, ("compose",))]


def _task(step: Mapping[str, Any], key: str, scope: Scope) -> tuple[str | None, dict[str, Any]]:
    """Name and options of a task."""
    given = step.get(key)
    if isinstance(given, Mapping):
        for name, options in given.items():
            filled = scope.filled(mapping(options), (key, name))
            return scope.text(name, (key, name)), filled
    return scope.text(given, (key,)), {}


def _datasets(given: Any, path: KeyPath, scope: Scope) -> tuple[tuple[str, float | None], ...]:
    """The datasets of a role with their weights."""
    if isinstance(given, Mapping):
        weights = {key: _weight(given[key], (*path, key), scope) for key in given}
        return tuple(scope.keyed(weights, path, "dataset").items())
    if isinstance(given, list | tuple):
        return tuple((name, None) for name in scope.listed(given, path, "dataset"))
    return ((scope.reference(given, path, "dataset"), None),)


def _weight(given: Any, path: KeyPath, scope: Scope) -> Any:
    """A weight, or a mapping from patterns to weights."""
    if isinstance(given, Mapping):
        return {key: scope.checked(given[key], (*path, key), check_number) for key in given}
    return scope.checked(given, path, check_number)
