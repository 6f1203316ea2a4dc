"""Which tokens have to be guessed: 80 % masked, 10 % random, 10 % as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xlmerge.runtime.data import keyed
from xlmerge_standard.tasks._modules.tensors import IGNORED

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["masked"]


def masked(
    ids: Sequence[int],
    *,
    probability: float,
    key: Sequence[int],
    mask: int,
    special: Sequence[int],
    vocabulary: int,
) -> tuple[list[int], list[int]]:
    """An input with masks, and what stood there (Devlin et al. 2019, appendix A.1).

    Args:
        ids: Token ids.
        probability: That a token has to be guessed.
        key: Seed and number of the input: the same key always draws the same, whatever else was
            drawn before it.
        mask: Id of the mask.
        special: Ids that are never chosen, and never put in another's place.
        vocabulary: Number of ids.

    Returns:
        The ids to read, and the labels: ``IGNORED`` where nothing has to be guessed.
    """
    stream = keyed("masks", *key)
    # All numbers are drawn before any is used, so that a token's fate is its place's alone.
    choice, fate = stream.random((2, len(ids)))
    never = np.unique(np.asarray(special, dtype=np.int64))
    strangers = stream.integers(0, vocabulary - len(never), len(ids))
    for each in never:  # ascending: steps over one special id after the other
        strangers += strangers >= each
    old = np.asarray(ids, dtype=np.int64)
    chosen = (choice < probability) & ~np.isin(old, never)
    new = np.where(chosen & (fate < 0.8), mask, old)
    new = np.where(chosen & (fate >= 0.8) & (fate < 0.9), strangers, new)
    return new.tolist(), np.where(chosen, old, IGNORED).tolist()
