"""Inputs of the one size that a composition was made for."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from xlmerge.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["inputs_of_size"]


@contextmanager
def inputs_of_size(model: Any, *, axis: int, size: int, what: str) -> Iterator[None]:
    """Refuse inputs of another size, with both numbers, before the model runs.

    Args:
        model: The model.
        axis: Axis of ``input_ids``: 0 for rows, 1 for positions.
        size: What it has to have.
        what: What is counted, for messages.
    """

    def check(_module: Any, args: Any, kwargs: Any) -> None:
        found = kwargs["input_ids"] if "input_ids" in kwargs else args[0]
        if found.shape[axis] != size:
            raise DataError(
                f"the composition shares out {size} {what}; the input has {found.shape[axis]}",
                hint="its weights have to sum to the size of every input",
            )

    hook = model.base_model.register_forward_pre_hook(check, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()
