"""A task adapter, alone or on frozen adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.plugin import trainer
from xlmerge.plugin.fit_options import fit_options

if TYPE_CHECKING:
    from xlmerge.runtime import Training


@trainer(
    summary="Train an adapter and a head on a task, on top of what is named under `on`.",
    source="Pfeiffer et al. 2020, arXiv 2005.00052, sections 4.1.2 and 5.3",
    data={
        "train": "labelled rows; several data sets are mixed, by their weights if they have some",
        "validation": "labelled rows to choose the best state by",
    },
    optional_data=("validation",),
    many=("train", "validation"),
    task="any",
    adapter="seq_bn",
    stacked=True,
    stacked_each="train",
)
@fit_options(length="10 epochs", batch_size=16, learning_rate=1e-4, patience=3)
def task_adapter(work: Training, **fit: Any) -> None:
    """What lies under ``on`` stays frozen; gradients reach the new adapter and its head only.

    The paper trains 100 epochs at 1e-4, 16 rows a step, and takes the best state on validation
    data. Here it is 10 epochs, which end earlier where three evaluations in a row bring nothing
    better; `epochs: 100` with `patience: 0` is the paper's. Without validation data the last state
    is kept.

    The folder holds the adapter and its head, with the names of the classes, as the adapters
    library writes them.
    """
    from xlmerge_standard.trainers._modules.task import train

    train(work, fit)
