"""A task adapter on a language adapter, as the library has it."""

from __future__ import annotations

from adapters.composition import Stack

from xlmerge.runtime import Child

__all__ = ["stacked"]


def stacked(language: Child, task: Child) -> Child:
    """In each layer first the one and then the other.

    Args:
        language: The lower part.
        task: The upper part.
    """
    return Child(
        label=f"madx(language={language.label}, task={task.label})",
        block=Stack(language.block, task.block),
        members=(*language.members, *task.members),
    )
