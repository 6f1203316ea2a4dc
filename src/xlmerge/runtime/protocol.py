"""What tasks and the rest of the runtime agree on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import torch
    from datasets import Dataset

    from xlmerge.runtime.live import LiveModel

__all__ = ["Batch", "Features", "Outputs", "Rows", "TaskLogic"]

Rows: TypeAlias = "Dataset"
"""A split of a data set, its columns named as the task asks for."""

Batch: TypeAlias = "dict[str, torch.Tensor]"
"""Inputs of the model, and what a task needs beside them to compute its loss."""

Outputs: TypeAlias = "dict[str, torch.Tensor]"
"""Logits by name.

The last axis holds what a softmax runs over: classes, or positions (padding at minus infinity).
"""

Features: TypeAlias = Mapping[str, Any]
"""One input as lists or arrays: ``input_ids``, ``attention_mask``; and ``row``, its row."""


@runtime_checkable
class TaskLogic(Protocol):
    """What the function of a :class:`xlmerge.plugin.Task` returns; has no state but its options."""

    def label_names(self, rows: Rows) -> tuple[str, ...]:
        """Names of the classes in order; empty for a task without classes.

        Raises:
            DataError: The data does not tell.
        """

    def head_config(self, labels: Sequence[str]) -> dict[str, Any]:
        """Configuration of the head, as the adapters library's ``head_config.json`` has it."""

    def prepare(self, model: Any) -> None:
        """Make kinds of heads known to a model that the library does not know."""

    def encode(
        self, rows: Rows, tokenizer: Any, labels: Sequence[str], *, training: bool
    ) -> list[dict[str, Any]]:
        """Rows as inputs; one row may give several.

        Raises:
            DataError: A label is none of ``labels``, or a row is not of the form.
        """

    def collate(self, features: Sequence[Features], tokenizer: Any) -> Batch:
        """Inputs as a batch, padded to the longest."""

    def outputs(self, live: LiveModel, batch: Batch) -> Outputs:
        """Logits of a batch, by ``live.forward(...)``."""

    def loss(self, outputs: Outputs, batch: Batch) -> tuple[torch.Tensor, int]:
        """Sum of the losses of a batch, and of how many items it is the sum."""

    def split(
        self, outputs: Outputs, batch: Batch, features: Sequence[Features]
    ) -> list[dict[str, np.ndarray]]:
        """Outputs of a batch as arrays, one mapping for each input, cut to its own length.

        What is large and not needed further (scores of a whole vocabulary) is reduced here.
        """

    def predictions(
        self,
        outputs: Sequence[Mapping[str, np.ndarray]],
        features: Sequence[Features],
        rows: Rows,
        labels: Sequence[str],
    ) -> list[Any]:
        """One prediction a row, as JSON could hold it, from the logits of each feature."""

    def statistics(
        self, predictions: Sequence[Any], rows: Rows, labels: Sequence[str]
    ) -> np.ndarray:
        """What metrics are computed from: ``[rows, k]`` float64, to be summed over rows."""

    def metrics(self, totals: np.ndarray, labels: Sequence[str]) -> dict[str, np.ndarray]:
        """Metrics from sums of statistics ``[..., k]``, each ``[...]``; scores in 0 to 100."""
