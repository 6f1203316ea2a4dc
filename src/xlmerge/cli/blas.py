"""One thread for NumPy's BLAS, as long as no model runs."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["give_blas_back", "one_blas_thread"]

_NAME = "OPENBLAS_NUM_THREADS"
_ours = False


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep NumPy's BLAS from starting threads when NumPy is imported.

    They spin before they rest, which doubles the time of the import, and merging gives BLAS one
    thread anyway. A number that the user set stays; afterwards the environment is as it was.
    """
    global _ours  # noqa: PLW0603 - as the environment, one for the process
    if _NAME in os.environ:
        yield
        return
    os.environ[_NAME] = "1"
    _ours = True
    try:
        yield
    finally:
        give_blas_back()


def give_blas_back() -> None:
    """Leave the threads of BLAS to the libraries again; a number that the user set stays."""
    global _ours  # noqa: PLW0603
    if _ours:
        os.environ.pop(_NAME, None)
        _ours = False
