"""Scoring: a composition run over inputs, sorted by length so that little is padding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from xlmerge.errors import DataError, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xlmerge.runtime.protocol import Batch, Features, Outputs, Rows, TaskLogic

__all__ = ["Scored", "score"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What became of rows.

    Attributes:
        predictions: One a row.
        statistics: What metrics are computed from, ``[rows, k]``.
        metrics: Metric to value.
    """

    predictions: list[Any]
    statistics: np.ndarray
    metrics: dict[str, float]


def score(  # noqa: PLR0913 - what runs, on what, and how
    run: Callable[[Batch], Outputs],
    task: TaskLogic,
    rows: Rows,
    labels: Sequence[str],
    tokenizer: Any,
    *,
    device: torch.device,
    batch_size: int = 32,
    features: Sequence[Features] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Scored:
    """Run a composition over rows and compare with what they should give.

    Args:
        run: From a batch to logits.
        task: The task.
        rows: The data.
        labels: Names of the classes in the order of the logits.
        tokenizer: Of the base model.
        device: Where batches go.
        batch_size: Inputs at a time.
        features: The rows encoded, if that was done before.
        progress: Hears how many inputs are done, of how many.

    Raises:
        DataError: There is nothing to score.
        ModelError: The logits are not finite.
    """
    if features is None:
        features = task.encode(rows, tokenizer, labels, training=False)
    if not features:
        raise DataError("there is nothing to score: the data gives no input")
    outputs: list[Any] = [None] * len(features)
    order = sorted(range(len(features)), key=lambda at: -len(features[at]["input_ids"]))
    with torch.inference_mode():
        for start in range(0, len(order), batch_size):
            places = order[start : start + batch_size]
            part = [features[at] for at in places]
            batch = {key: value.to(device) for key, value in task.collate(part, tokenizer).items()}
            for at, arrays in zip(places, task.split(run(batch), batch, part), strict=True):
                outputs[at] = arrays
            if progress is not None:
                progress(min(start + batch_size, len(order)), len(order))
    for arrays in outputs:
        for name, array in arrays.items():
            if np.isnan(array).any():
                raise ModelError(
                    f"the model gives {name} that are not finite",
                    hint="score with `dtype: float32`; where that is so, its weights are of no "
                    "use: train with a smaller `learning_rate`",
                )
    predictions = task.predictions(outputs, features, rows, labels)
    statistics = task.statistics(predictions, rows, labels)
    metrics = task.metrics(statistics.sum(axis=0), labels)
    return Scored(
        predictions=predictions,
        statistics=statistics,
        metrics={name: float(value) for name, value in metrics.items()},
    )
