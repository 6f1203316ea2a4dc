"""What architectures may know of the inputs that run, beside what the model is given.

with columns_of(batch, ("source",)):
    live.forward(...)         # in which an architecture asks
                              # column("source")  ->  [batch], or None
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import torch

    from xlmerge.runtime.protocol import Batch

__all__ = ["column", "columns_of"]

_RUNNING: ContextVar[Mapping[str, torch.Tensor]] = ContextVar("columns", default={})  # noqa: B039 - never written to


@contextmanager
def columns_of(batch: Batch, names: Iterable[str]) -> Iterator[None]:
    """Give columns of a batch to architectures while it runs.

    Args:
        batch: The batch.
        names: Which columns; those that it does not have are left out.
    """
    token = _RUNNING.set({name: batch[name] for name in names if name in batch})
    try:
        yield
    finally:
        _RUNNING.reset(token)


def column(name: str) -> torch.Tensor | None:
    """A column of the batch that runs ``[batch]``; None where it is not given."""
    return _RUNNING.get().get(name)
