"""Random numbers that depend on names, not on order."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Random"]


class Random:
    """A stream for one parameter, keyed by the seed and by names: the parameter's, the adapter's.

    So neither the hash seed, nor the order of keys in a file, nor the order of adapters changes a
    draw.

    Args:
        seed: As the recipe gives it.
        parameter: Canonical name of the parameter.
        adapters: Names of the adapters, in the order the method gets them.
    """

    def __init__(self, seed: int, parameter: str, adapters: Sequence[str]) -> None:
        self._seed = seed
        self._parameter = parameter
        self._adapters = tuple(adapters)

    def uniform(self, like: Any, adapter: int) -> Any:
        """Independent draws from [0, 1) in the shape, library, dtype and device of ``like``.

        Args:
            like: An array.
            adapter: Index of the adapter the draws belong to.
        """
        import numpy as np

        from xlmerge.spaces import array_namespace

        text = "\0".join([str(self._seed), self._parameter, self._adapters[adapter]])
        key = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")
        draws = np.random.Generator(np.random.Philox(key=key)).random(like.shape, dtype=np.float32)
        xp = array_namespace(like)
        if xp is np:
            return draws.astype(like.dtype, copy=False)
        return xp.asarray(draws, dtype=like.dtype, device=like.device)
