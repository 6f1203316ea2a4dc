"""Whether a model has positions for inputs of a length; models on the hub tell only when loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.errors import ModelError
from xlmerge.plan.lengths import positions

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["check_positions"]


def check_positions(model: Any, options: Mapping[str, Any]) -> None:
    """Refuse a task's ``max_length`` that the model has no positions for.

    Args:
        model: The model.
        options: Options of the task.

    Raises:
        ModelError: Inputs may get too long.
    """
    length, most = options.get("max_length"), positions(model.config.to_dict())
    if isinstance(length, int) and most is not None and length > most:
        raise ModelError(
            f"inputs of up to {length} tokens (`max_length`) are too long for the base model, "
            f"which has positions for {most}",
            hint=f"write `max_length: {most}` or less",
        )
