"""How a task adapter is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.runtime.distributed import rank
from xlmerge.runtime.training import FitOptions, fit, staged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlmerge.runtime import Training

__all__ = ["train"]

_EPOCHS = 10


def train(work: Training, options: Mapping[str, Any]) -> None:
    """Train the adapter and its head, and write both into one folder.

    Args:
        work: The training.
        options: Those of :class:`xlmerge.runtime.training.FitOptions`.
    """
    chosen = dict(options)
    if chosen["steps"] is None and chosen["epochs"] is None:
        chosen["epochs"] = _EPOCHS
    with staged(work) as stage:
        work.report["composition"] = stage.tree
        fit(work, {**stage.adapter, **stage.head}, FitOptions(**chosen), runs=stage.runs)
        if rank() == 0:
            work.live.save_adapter(work.name, work.output, head=work.name)
