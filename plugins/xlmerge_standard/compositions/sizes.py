"""Weights that count something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlmerge.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["sizes_of"]


def sizes_of(rule: str, weights: Sequence[float]) -> list[int]:
    """Weights as whole numbers.

    Raises:
        ParameterError: One of them is none, or not above 0.
    """
    if any(w < 1 or w != int(w) for w in weights):
        raise ParameterError(
            f"`{rule}`: its weights count what each adapter gets, whole numbers above 0; found "
            f"{', '.join(f'{w:g}' for w in weights)}"
        )
    return [int(w) for w in weights]
