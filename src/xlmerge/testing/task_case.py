"""A task at work on given rows, in a tiny model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy import ndarray

    from xlmerge.plugin import Task
    from xlmerge.runtime import LiveModel, Rows, TaskLogic

__all__ = ["TaskCase"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TaskCase:
    """A task, rows, and a tiny model with a random head for it.

    Attributes:
        task: The task.
        logic: What its function gave.
        rows: The data.
        labels: Its classes.
        live: The model; the head ``case`` is active.
    """

    task: Task
    logic: TaskLogic
    rows: Rows
    labels: Sequence[str]
    live: LiveModel

    @property
    def tokenizer(self) -> Any:
        """Of the model."""
        return self.live.tokenizer

    def features(self, rows: Rows | None = None, *, training: bool = False) -> list[dict[str, Any]]:
        """Rows as inputs; all if none are given."""
        rows = self.rows if rows is None else rows
        return self.logic.encode(rows, self.tokenizer, self.labels, training=training)

    def arrays(self, features: Sequence[Mapping[str, Any]]) -> list[dict[str, ndarray]]:
        """What the model gives for inputs that share a batch."""
        import torch

        batch = self.logic.collate(features, self.tokenizer)
        with torch.no_grad():
            return self.logic.split(self.logic.outputs(self.live, batch), batch, features)

    def predictions(self, features: Sequence[Mapping[str, Any]] | None = None) -> list[Any]:
        """Predictions for all rows, inputs in the given order."""
        features = self.features() if features is None else features
        return self.logic.predictions(self.arrays(features), features, self.rows, self.labels)
