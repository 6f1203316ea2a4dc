"""Which head a composition is run with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xlmerge.errors import CompositionError, ModelError
from xlmerge.runtime.heads import labels_of_head

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xlmerge.runtime.members import Child

__all__ = [
    "HeadWish",
    "channels_of",
    "check_channels",
    "check_class_count",
    "check_head",
    "no_head",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadWish:
    """What a caller asks of the head.

    Attributes:
        name: Name of a head in the model; None for the last one that an adapter brings.
        labels: Names of the data's classes in order; empty where they are not known.
        kind: Type of head that a task reads the outputs of; None without a task, so that there may
            be no head.
    """

    name: str | None = None
    labels: Sequence[str] = ()
    kind: str | None = None

    @property
    def scored(self) -> bool:
        """Whether a task reads the outputs, so that there has to be a head."""
        return self.kind is not None


def channels_of(block: Any) -> int:
    """How many copies of each input a block makes; 1 without ``Parallel``."""
    return int(getattr(block, "parallel_channels", 1))


def check_channels(child: Child) -> None:
    """Refuse to score several outputs for one input.

    Raises:
        CompositionError: The part runs several adapters in parallel.
    """
    if (channels := channels_of(child.block)) > 1:
        raise CompositionError(
            f"{child.label}: gives {channels} outputs for each input, and a score needs one",
            hint="take `ensemble` to join outputs, or `average` to join hidden states",
        )


def no_head(child: Child) -> ModelError:
    """The error of a composition without a head."""
    return ModelError(
        f"{child.label}: none of its adapters brings a prediction head",
        hint="put the adapter that was trained on the task last, or name a head, or an adapter "
        "that brings one, with `head:`; `interpolate` keeps one only if a single adapter has it",
    )


def check_head(where: str, config: Mapping[str, Any], wish: HeadWish) -> None:
    """Refuse a head of another type, or whose classes are others than the data's.

    Args:
        where: The composition in words.
        config: Configuration of the head.
        wish: What the caller asks of it.

    Raises:
        ModelError: The type, the classes or their order differ.
    """
    if wish.kind is not None and config.get("head_type") != wish.kind:
        raise ModelError(
            f"{where}: the head is of the type {config.get('head_type')}; the task reads one of "
            f"the type {wish.kind}",
            hint="give the task the options that the head was trained with, or name another head",
        )
    labels = wish.labels
    numbers = config.get("label2id")
    if not labels or not isinstance(numbers, dict):
        return
    check_class_count(where, len(numbers), labels)
    own = labels_of_head(config)
    if own and own != tuple(labels):
        raise ModelError(
            f"{where}: the head has the classes {', '.join(own)}; the data has {', '.join(labels)}",
            hint="give the data's `labels` in the order of the head's",
        )


def check_class_count(where: str, count: int, labels: Sequence[str]) -> None:
    """Refuse a head for another number of classes than the data's.

    Args:
        where: The composition in words.
        count: How many classes the head has.
        labels: Names of the data's classes; empty where they are not known.

    Raises:
        ModelError: They differ.
    """
    if labels and count != len(labels):
        raise ModelError(
            f"{where}: the head has {count} classes; the data has {len(labels)}: "
            f"{', '.join(labels)}",
            hint="the head was trained for another task, or the data lacks a class: give its "
            "`labels`",
        )
