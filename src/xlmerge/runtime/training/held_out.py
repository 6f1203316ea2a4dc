"""Scores on validation data while training goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from xlmerge.runtime.distributed import rank, world_size
from xlmerge.runtime.scoring import score

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xlmerge.runtime.protocol import Batch, Outputs
    from xlmerge.runtime.training.work import Training

__all__ = ["HeldOut"]

_BATCH = 32


class HeldOut:
    """The validation data of a training, its rows shared out among the processes.

    Args:
        work: The training.

    Raises:
        DataError: A row is not of the form, or a label unknown.
    """

    def __init__(self, work: Training) -> None:
        self._work = work
        self._parts: list[tuple[Any, list[dict[str, Any]]]] = []
        one, all_ = rank(), world_size()
        for rows, _ in work.sources("validation"):
            # Encoded whole: what a task draws for an input may hang on its number.
            features = work.task.encode(rows, work.live.tokenizer, work.labels, training=False)
            mine = [
                {**feature, "row": feature["row"] // all_}
                for feature in features
                if feature["row"] % all_ == one
            ]
            self._parts.append((rows.select(range(one, len(rows), all_)), mine))

    def __bool__(self) -> bool:
        return bool(self._parts)

    def scores(self, runs: Sequence[Callable[[Batch], Outputs]]) -> dict[str, float]:
        """Metrics over all rows of all data sets, the same in all processes.

        Args:
            runs: One function for all data sets, or one for each.

        Raises:
            ModelError: The logits are not finite.
        """
        work = self._work
        every = [*runs] if len(runs) > 1 else [*runs] * len(self._parts)
        pairs = zip(every, self._parts, strict=True)
        totals = np.sum([self._totals(run, *part) for run, part in pairs], axis=0)
        if world_size() > 1:
            # On the processor, where there is float64 on every machine.
            shared = torch.as_tensor(totals)
            torch.distributed.all_reduce(shared)
            totals = shared.numpy()
        metrics = work.task.metrics(totals, work.labels)
        return {name: float(value) for name, value in metrics.items()}

    def _totals(
        self, run: Callable[[Batch], Outputs], rows: Any, features: list[dict[str, Any]]
    ) -> np.ndarray:
        """Sums of the statistics of this process's rows of a data set ``[k]``."""
        work = self._work
        if features:
            scored = score(
                run,
                work.task,
                rows,
                work.labels,
                work.live.tokenizer,
                device=work.live.device,
                batch_size=_BATCH,
                features=features,
            )
            statistics = scored.statistics
        else:  # fewer rows than processes
            predictions = work.task.predictions([], [], rows, work.labels)
            statistics = work.task.statistics(predictions, rows, work.labels)
        total: np.ndarray = statistics.sum(axis=0)
        return total
