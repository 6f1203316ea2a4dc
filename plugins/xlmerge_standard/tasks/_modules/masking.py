"""Which tokens have to be guessed: 80 % masked, 10 % random, 10 % as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from xlmerge.runtime.data import keyed
from xlmerge_standard.tasks._modules.tensors import IGNORED

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Signs", "masked"]


@dataclass(frozen=True, slots=True, eq=False)
class Signs:
    """What masking asks of a tokenizer.

    It is asked once: counting a vocabulary of 250,000 tokens takes longer than a small batch.

    Attributes:
        mask: Id of the mask.
        special: Ids that are never chosen, and never put in another's place; ascending.
        count: Number of ids.
    """

    mask: int
    special: np.ndarray
    count: int

    @classmethod
    def of(cls, tokenizer: Any) -> Signs:
        """Those of a tokenizer."""
        if tokenizer not in _SIGNS:
            special = np.unique(np.asarray(tokenizer.all_special_ids, dtype=np.int64))
            _SIGNS[tokenizer] = cls(tokenizer.mask_token_id, special, len(tokenizer))
        return _SIGNS[tokenizer]


_SIGNS: WeakKeyDictionary[Any, Signs] = WeakKeyDictionary()


def masked(
    ids: Sequence[int],
    *,
    probability: float,
    key: Sequence[int],
    signs: Signs,
) -> tuple[list[int], list[int]]:
    """An input with masks, and what stood there (Devlin et al. 2019, appendix A.1).

    Args:
        ids: Token ids.
        probability: That a token has to be guessed.
        key: Seed and number of the input: the same key always draws the same, whatever else was
            drawn before it.
        signs: Of the tokenizer.

    Returns:
        The ids to read, and the labels: ``IGNORED`` where nothing has to be guessed.
    """
    stream = keyed("masks", *key)
    # All numbers are drawn before any is used, so that a token's fate is its place's alone.
    choice, fate = stream.random((2, len(ids)))
    strangers = stream.integers(0, signs.count - len(signs.special), len(ids))
    for each in signs.special:  # ascending: steps over one special id after the other
        strangers += strangers >= each
    old = np.asarray(ids, dtype=np.int64)
    chosen = (choice < probability) & ~np.isin(old, signs.special)
    new = np.where(chosen & (fate < 0.8), signs.mask, old)
    new = np.where(chosen & (fate >= 0.8) & (fate < 0.9), strangers, new)
    return new.tolist(), np.where(chosen, old, IGNORED).tolist()
