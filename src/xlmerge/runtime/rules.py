"""A node of a tree as a call of its rule."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xlmerge.errors import CompositionError, ParameterError
from xlmerge.plugin.trees import tree_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xlmerge.plugin.composition import CompositionRule
    from xlmerge.plugin.registry import Registry
    from xlmerge.plugin.trees import Node

__all__ = ["arguments_of", "rule_of"]


def rule_of(node: Node, registry: Registry) -> CompositionRule:
    """The rule that a node names.

    Raises:
        ParameterError: Nobody provides it.
        PluginError: Several plugins provide it, or one that may have failed to load.
    """
    return registry.composition_rule(node.rule).descriptor


def arguments_of(rule: CompositionRule, node: Node, children: Sequence[Any]) -> dict[str, Any]:
    """Keyword arguments of a rule's function.

    Args:
        rule: The rule.
        node: The node.
        children: What the node's children have become, in their order.

    Raises:
        CompositionError: It takes another number of children, or other roles.
        ParameterError: Weights or options are missing, too many, or out of range.
    """
    text = tree_text(node)
    plain = len(children) - len(node.roles)
    arguments: dict[str, Any] = dict(zip(node.roles, children[plain:], strict=True))
    known = {role.name: role.required for role in rule.roles}
    for role in node.roles:
        if role not in known:
            raise CompositionError(f"{text}: `{rule.name}` has no role {role!r}", path=(role,))
    by_role = f"`{rule.name}` takes its children by role: {', '.join(known)}"
    for role, required in known.items():
        if required and role not in arguments:
            raise CompositionError(f"{text}: needs the role {role!r}; {by_role}")
    if rule.count is None and plain:
        raise CompositionError(f"{text}: {by_role}")
    if rule.count is not None:
        most = rule.count.most
        if plain < rule.count.least or (most is not None and plain > most):
            raise CompositionError(f"{text}: `{rule.name}` takes {rule.count}; found {plain}")
        arguments["children"] = list(children[:plain])
    _add_weights(rule, node, arguments, text)
    arguments.update(_options(rule, node.options, text))
    return arguments


def _add_weights(rule: CompositionRule, node: Node, arguments: dict[str, Any], text: str) -> None:
    """One weight a child, where the rule wants them."""
    if node.weights is None:
        if rule.weighted == "required":
            raise ParameterError(f"{text}: `{rule.name}` needs a weight for each child")
        return
    if rule.weighted == "no":
        raise ParameterError(f"{text}: `{rule.name}` takes no weights")
    if not all(map(math.isfinite, node.weights)):
        raise ParameterError(f"{text}: weights are finite numbers")
    arguments["weights"] = node.weights


def _options(rule: CompositionRule, given: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Options, defaults filled in."""
    specs = {spec.name: spec for spec in rule.parameters}
    for name in given:
        if name not in specs:
            known = ", ".join(specs) or "none"
            raise ParameterError(f"{text}: `{rule.name}` has no option {name!r}; it has {known}")
    values = {}
    for name, spec in specs.items():
        if name not in given and spec.required:
            raise ParameterError(f"{text}: `{rule.name}` needs `{name}` ({spec.describe()})")
        values[name] = spec.check(given[name]) if name in given else spec.default
    return values
