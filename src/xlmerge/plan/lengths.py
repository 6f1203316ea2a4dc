"""Whether the base model has positions for inputs as long as a task makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlmerge.plan.base_model import LocatedBase
    from xlmerge.plan.problems import Problems
    from xlmerge.plan.request import Place

__all__ = ["check_length", "positions"]

# They count positions from behind the padding token's id, so that some are never used.
_COUNT_FROM_PADDING = frozenset(
    {"camembert", "data2vec-text", "roberta", "roberta-prelayernorm", "xlm-roberta"}
    | {"xlm-roberta-xl", "xmod"}
)


def positions(config: Mapping[str, Any]) -> int | None:
    """How many tokens an input may have; None if the configuration does not tell."""
    found = config.get("max_position_embeddings")
    if type(found) is not int or found <= 0:
        return None
    if config.get("model_type") not in _COUNT_FROM_PADDING:
        return found
    padding = config.get("pad_token_id")
    return found - 1 - (padding if type(padding) is int else 1)


def check_length(
    options: Mapping[str, Any], base: LocatedBase | None, place: Place, problems: Problems
) -> None:
    """Refuse inputs that are longer than the base model's positions.

    Args:
        options: Options of the task, defaults filled in.
        base: The base model.
        place: Where the options stand, below the step.
        problems: Where problems go.
    """
    length = options.get("max_length")
    most = None if base is None else positions(base.config)
    if type(length) is int and most is not None and length > most:
        problems.refuse(
            place,
            f"inputs of up to {length} tokens (`max_length`) are too long for the base model, "
            f"which has positions for {most}",
            f"write `max_length: {most}` or less",
        )
