"""MAD-X: a language adapter, and a task adapter on top of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from xlmerge.errors import CompositionError
from xlmerge.plugin import Child, composition_rule

if TYPE_CHECKING:
    from xlmerge.runtime import Composing

__all__ = ["madx"]


@composition_rule(
    kind="inside",
    summary="A language adapter, its invertible adapter at both ends, and a task adapter on it.",
    source="Pfeiffer et al. 2020, arXiv 2005.00052; drop_last: Pfeiffer et al. 2021, "
    "arXiv 2012.15562 (MAD-X 2.0)",
)
def madx(
    live: Composing,
    *,
    language: Annotated[Child, "the adapter of the text's language, with an invertible part"],
    task: Annotated[
        Child | None, "the adapter of the task, without one; none to score the language model"
    ] = None,
    drop_last: Annotated[
        Literal["nothing", "language", "both"], "adapters that are left out of the last layer"
    ] = "nothing",
    invertible: Annotated[
        Literal["required", "optional"], "whether the language adapter must have an invertible part"
    ] = "required",
) -> Any:
    """A stack whose roles are checked.

    The library takes the invertible adapter of the first member only, applies it to the embeddings,
    and applies its inverse before the output embeddings of a masked-LM head.
    """
    if live.library != "adapters":
        raise CompositionError(
            f"madx: {language.label} is an adapter of PEFT, which has no language adapters",
            hint="MAD-X runs on the adapters library: train with `train: language_adapter`",
        )
    _check_roles(language, task, needed=invertible == "required")
    if task is None and drop_last == "both":
        raise CompositionError(
            "madx: `drop_last: both` leaves out a task adapter, and there is none",
            hint="write `drop_last: language`",
        )
    last = (live.last_layer,)
    if drop_last != "nothing":
        language = live.variant(language, leave_out=last)
    if task is None:
        return language
    if drop_last == "both":
        task = live.variant(task, leave_out=last)
    from xlmerge_madx._modules.stacking import stacked

    return stacked(language, task)


def _check_roles(language: Any, task: Any, *, needed: bool) -> None:
    """Refuse roles that are not what they are called.

    Raises:
        CompositionError: They are swapped, the invertible part is missing, or it would be ignored.
    """
    first, *others = language.members
    if task is not None and task.invertible and not language.invertible:
        raise CompositionError(
            f"madx: {language.label} has no invertible part and {task.label} has one: the roles "
            "are swapped",
            hint=f"write madx: {{language: {task.label}, task: {language.label}}}",
        )
    beside = [*others, *(task.members if task is not None else ())]
    ignored = [member.label for member in beside if member.invertible]
    if ignored:
        raise CompositionError(
            f"madx: the invertible part of {ignored[0]} would be ignored: only that of "
            f"{first.label} is applied",
            hint="a task adapter is trained without one: `adapter: seq_bn`",
        )
    if needed and not first.invertible:
        raise CompositionError(
            f"madx: the language adapter {first.label} has no invertible part",
            hint="train it with `adapter: madx_language`, or say `with: {invertible: optional}`",
        )
