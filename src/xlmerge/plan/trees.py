"""Whether a composition can be built: its rules, children, weights, options, and its adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from xlmerge.errors import XLMergeError
from xlmerge.plan.live_values import checked_values
from xlmerge.plan.problems import nearest
from xlmerge.plugin.trees import Leaf, leaves

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlmerge.plan.context import PlanContext
    from xlmerge.plan.problems import Problems
    from xlmerge.plan.request import Draft, Place
    from xlmerge.plugin.composition import CompositionRule
    from xlmerge.plugin.registry import Registered
    from xlmerge.plugin.trees import Node, Tree

__all__ = ["Rules", "check_libraries", "check_tree", "is_around"]

Rules: TypeAlias = "Mapping[str, Registered[CompositionRule]]"


def check_tree(
    tree: Tree, place: Place, context: PlanContext, problems: Problems, *, training: bool
) -> dict[str, Registered[CompositionRule]]:
    """Check the form of a composition.

    Args:
        tree: The composition.
        place: Where it stands, below the step.
        context: Adapters and rules.
        problems: Where problems go.
        training: Whether an adapter is trained on top of it.

    Returns:
        The rules it uses, by name.
    """
    rules: dict[str, Registered[CompositionRule]] = {}
    _check(tree, place, context, problems, rules, root=True, training=training)
    return rules


def _check(
    tree: Tree,
    place: Place,
    context: PlanContext,
    problems: Problems,
    rules: dict[str, Registered[CompositionRule]],
    *,
    root: bool,
    training: bool,
) -> None:
    if isinstance(tree, Leaf):
        _check_leaf(tree.name, place, context, problems)
        return
    inner = (*place, tree.rule)
    try:
        rules[tree.rule] = context.registry.composition_rule(tree.rule)
    except XLMergeError as error:
        problems.refuse_error(inner, error)
    else:
        rule = rules[tree.rule].descriptor
        if not rule.in_recipes:
            problems.refuse(
                inner,
                f"`{rule.name}` is for use from Python, where the caller makes the batches",
                "recipes run whole inputs through all of a composition: `average`, `interpolate` "
                "or `ensemble` join adapters there",
            )
        if rule.kind == "around":
            _check_around(rule, inner, problems, root=root, training=training)
        _check_children(tree, rule, inner, problems)
        _check_weights(tree, rule, place, problems)
        checked_values(tree.options, rule.parameters, rule.name, (*place, "with"), problems)
    plain = len(tree.children) - len(tree.roles)
    keys: list[str | int] = [*range(plain), *tree.roles]
    for key, child in zip(keys, tree.children, strict=True):
        _check(child, (*inner, key), context, problems, rules, root=False, training=training)


def is_around(tree: Tree, rules: Rules) -> bool:
    """Whether the outermost rule puts together outputs, so that each child is a whole model."""
    if isinstance(tree, Leaf):
        return False
    rule = rules.get(tree.rule)
    return rule is not None and rule.descriptor.kind == "around"


def _check_leaf(name: str, place: Place, context: PlanContext, problems: Problems) -> None:
    known = {*context.drafts, *context.later, *context.unreadable}
    if name not in known:
        problems.refuse(
            place,
            f"there is no adapter `{name}`{nearest(name, known)}",
            "name one of `adapters`, or a step that makes one",
        )


def _check_around(
    rule: CompositionRule, place: Place, problems: Problems, *, root: bool, training: bool
) -> None:
    if training:
        problems.refuse(
            place,
            f"{rule.name} puts together the outputs of whole models; nothing can be trained on "
            "top of that",
            "name a composition of the kind `inside`, such as a stack",
        )
    elif not root:
        problems.refuse(
            place,
            f"{rule.name} puts together the outputs of whole models and stands outermost only; "
            "found it inside another rule",
        )


def _check_children(node: Node, rule: CompositionRule, place: Place, problems: Problems) -> None:
    """Numbers of children, and roles."""
    plain = len(node.children) - len(node.roles)
    known = [role.name for role in rule.roles]
    if rule.count is None:
        if plain:
            problems.refuse(
                place, f"{rule.name} takes its adapters by role; found a list", _roles(rule)
            )
        for role in node.roles:
            if role not in known:
                problems.refuse(
                    (*place, role),
                    f"{rule.name} has no role `{role}`{nearest(role, known)}",
                    _roles(rule),
                )
        missing = [r.name for r in rule.roles if r.required and r.name not in node.roles]
        if missing and not plain:
            problems.refuse(
                place,
                f"{rule.name} needs the role {', '.join(f'`{name}`' for name in missing)}",
                _roles(rule),
            )
        return
    if node.roles:
        problems.refuse(
            place,
            f"{rule.name} takes a list; found the roles {', '.join(node.roles)}",
            f"write `{rule.name}: [{', '.join(node.roles)}]` with adapters or compositions",
        )
        return
    most = rule.count.most
    if plain < rule.count.least or (most is not None and plain > most):
        problems.refuse(place, f"{rule.name} takes {rule.count} children; found {plain}")


def _roles(rule: CompositionRule) -> str:
    return "its roles: " + "; ".join(
        f"{role.name}{'' if role.required else ' (optional)'}"
        f"{': ' + role.summary if role.summary else ''}"
        for role in rule.roles
    )


def _check_weights(node: Node, rule: CompositionRule, place: Place, problems: Problems) -> None:
    if rule.weighted == "no" and node.weights is not None:
        problems.refuse(
            (*place, "weights"), f"{rule.name} takes no weights", "list the adapters alone"
        )
    elif rule.weighted == "required" and node.weights is None and not node.roles:
        count = max(1, len(node.children))
        even = ", ".join(f"{1 / count:.3g}" for _ in node.children)
        problems.refuse(
            (*place, node.rule),
            f"{rule.name} needs a weight for every child",
            f"write `weights: [{even}]` beside `{node.rule}`",
        )


def check_libraries(
    tree: Tree,
    place: Place,
    drafts: Mapping[str, Draft],
    rules: Rules,
    problems: Problems,
) -> None:
    """Refuse one model that would hold adapters of both libraries.

    Under an *around* rule each child is a model of its own.

    Args:
        tree: The composition.
        place: Where it stands, below the step.
        drafts: Adapters whose headers are known.
        rules: Rules by name, as :func:`check_tree` gave them.
        problems: Where problems go.
    """
    if is_around(tree, rules) and not isinstance(tree, Leaf):
        plain = len(tree.children) - len(tree.roles)
        keys: list[str | int] = [*range(plain), *tree.roles]
        for key, child in zip(keys, tree.children, strict=True):
            check_libraries(child, (*place, tree.rule, key), drafts, {}, problems)
        return
    by_library: dict[str, str] = {}
    for name in leaves(tree):
        if name in drafts:
            by_library.setdefault(drafts[name].layout.folder.header.format, name)
    if len(by_library) > 1:
        said = " and ".join(f"{name} is of {library}" for library, name in by_library.items())
        problems.refuse(
            place,
            f"one model holds adapters of one library; {said}",
            "put models of both side by side with a rule of the kind `around`, such as an ensemble",
        )
