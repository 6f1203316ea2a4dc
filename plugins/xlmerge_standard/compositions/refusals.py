"""Refusals that several rules share, each with what to do instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlmerge.errors import CompositionError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from xlmerge.runtime import Child, Composing

__all__ = [
    "refuse_invertible",
    "refuse_nested",
    "refuse_other_kinds",
    "refuse_other_settings",
    "refuse_peft",
]

# What the library takes from one adapter for all that run beside each other.
_SHARED = (
    "original_ln_before",
    "original_ln_after",
    "residual_before_ln",
    "adapter_residual_before_ln",
    "ln_before",
    "ln_after",
    "is_parallel",
)

_FULL = (
    "a fine-tuned base model has no output of its own in a layer: take `add` or `interpolate` for "
    "sums of its weights, `ensemble` for means of outputs"
)


def refuse_peft(rule: str, live: Composing, hint: str) -> None:
    """Refuse PEFT's adapters, which that library only adds up."""
    if live.library == "peft":
        raise CompositionError(f"`{rule}` is not possible with adapters of PEFT", hint=hint)


def refuse_invertible(rule: str, children: Sequence[Child], hint: str) -> None:
    """Refuse invertible adapters beside each other.

    Only the first one's would be used, for all; and not even that one's inverse means anything for
    the others' states.
    """
    found = [member.label for child in children for member in child.invertible]
    if found:
        raise CompositionError(
            f"`{rule}` cannot take {', '.join(found)}: an adapter with an invertible part at the "
            "embeddings cannot run beside others, since the adapters library uses the first one's "
            "for all of them",
            hint=hint,
        )


def refuse_nested(rule: str, children: Sequence[Child], hint: str) -> None:
    """Refuse compositions as children: a nested stack gets its layer norm twice."""
    for child in children:
        if child.single is None:
            raise CompositionError(
                f"`{rule}` takes single adapters; found {child.label}, which the adapters library "
                "computes wrong within another composition",
                hint=hint,
            )


def refuse_other_kinds(rule: str, children: Sequence[Child], allowed: Collection[str]) -> None:
    """Refuse kinds for which the rule is not exact, and different ones beside each other."""
    for child in children:
        if other := sorted(child.kinds - set(allowed)):
            raise CompositionError(
                f"`{rule}` takes adapters of the kinds {', '.join(allowed)}; {child.label} is "
                f"{', '.join(other)}",
                hint=_FULL if "full" in other else None,
            )
    kinds = {child.kinds for child in children}
    if len(kinds) > 1:
        found = "; ".join(f"{child.label}: {', '.join(sorted(child.kinds))}" for child in children)
        raise CompositionError(f"`{rule}` takes adapters of one kind; found {found}")


def refuse_other_settings(rule: str, children: Sequence[Child]) -> None:
    """Refuse bottlenecks that want another residual or layer norm than the rest.

    The library takes these from the first of them (before) and the last (after).
    """
    first, *others = [member for child in children for member in child.members]
    for other in others:
        for key in _SHARED:
            a, b = first.config.get(key), other.config.get(key)
            if a != b:
                raise CompositionError(
                    f"`{rule}` takes adapters with the same `{key}`; {first.label} has {a}, "
                    f"{other.label} has {b}"
                )
