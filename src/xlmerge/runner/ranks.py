"""One process among several that ``accelerate launch`` or ``torchrun`` started.

All of them run the same command and train together; the first alone writes, decides and speaks.
Torch is imported only where there are several.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

from xlmerge.errors import XLMergeError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["by_first", "is_first", "rank", "wait", "world_size"]

T = TypeVar("T")


def rank() -> int:
    """Number of this process, from 0."""
    return _number("RANK", 0)


def world_size() -> int:
    """How many processes there are."""
    return _number("WORLD_SIZE", 1)


def is_first() -> bool:
    """Whether this process writes and speaks."""
    return rank() == 0


def by_first(function: Callable[[], T]) -> T:
    """Call a function in the first process, and give its result in all.

    Args:
        function: Its result has to be picklable.

    Raises:
        XLMergeError: It failed in the first process, which raises the error itself.
    """
    if world_size() == 1:
        return function()
    from xlmerge.runtime.distributed import share

    if not is_first():
        done, result = share(None)
        if not done:
            raise XLMergeError("stopped, since the first process failed")
        shared: T = result
        return shared
    try:
        made = function()
    except BaseException:
        share((False, None))
        raise
    share((True, made))
    return made


def wait() -> None:
    """Wait until all processes are here."""
    if world_size() > 1:
        from xlmerge.runtime.distributed import barrier

        barrier()


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else default
