"""Trainings and evaluations as the runtime gets them: everything found, checked and filled in.

The core makes them and the runtime carries them out. Nothing here needs torch, so that plans and
tests do without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xlmerge.plan.request import DataRequest, HeadRequest
    from xlmerge.plugin.registry import Registered, Registry
    from xlmerge.plugin.tasks import Task
    from xlmerge.plugin.trainers import Trainer
    from xlmerge.plugin.trees import Tree

__all__ = ["CellOrder", "EvaluateOrder", "Progress", "TrainOrder"]

Progress: TypeAlias = Callable[[int, int, str], None]
"""Called with what is done, what there is to do, and a note such as ``loss 1.234``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOrder:
    """One training.

    Attributes:
        step: Name of the step.
        adapter_name: Name of the new adapter in files, the step's with ``_`` for ``/``.
        trainer: The trainer and who provides it.
        parameters: Its parameters, defaults filled in.
        task: The task it trains on; None without one.
        task_options: Options of the task, defaults filled in.
        data: Role to data sets, each with its sampling weight or None.
        if_present: Roles that were filled from a data set as a whole and may be missing: left out
            where the data set has no split of that name.
        tree: The composition that lies frozen beneath, or None.
        trees: Compositions, one for each data set, in place of ``tree``.
        folders: Adapter folders by the names of the tree's leaves.
        adapter: All fields of the new adapter's configuration; None if the trainer makes none.
        base_model: The base model as the recipe says it, without a revision.
        revision: Commit of the base model on the hub, or None.
        start: What relative paths start from.
        seed: Of everything that is drawn.
        device: Where to compute; None for an accelerator if there is one.
        dtype: Precision that the base model computes in.
        output: An empty folder for the adapter's files. It takes the place of the step's folder
            when the training has returned. In processes other than the first it is thrown away.
        scratch: A folder for checkpoints. It survives a kill, belongs to this very order, and is
            shared by all processes.
        registry: What plugins provide.
        progress: Hears how far it is.
        warn: Hears of what the user should know.
    """

    step: str
    adapter_name: str
    trainer: Registered[Trainer]
    parameters: Mapping[str, Any]
    task: Registered[Task] | None
    task_options: Mapping[str, Any]
    data: Mapping[str, tuple[tuple[DataRequest, float | None], ...]]
    if_present: frozenset[str] = frozenset()
    tree: Tree | None
    trees: tuple[Tree, ...] = ()
    folders: Mapping[str, Path]
    adapter: Mapping[str, Any] | None
    base_model: str
    revision: str | None
    start: Path
    seed: int
    device: str | None
    dtype: str
    output: Path
    scratch: Path
    registry: Registry
    progress: Progress = field(repr=False)
    warn: Callable[[str], None] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellOrder:
    """One score.

    Attributes:
        row: Label of the composition.
        column: What is scored on; empty without columns.
        seed: Value of the variable that scores are averaged over; None without one.
        tree: The composition.
        folders: Adapter folders by the names of the tree's leaves, and by `head_of`.
        data: The data set.
        head: The head, where the adapters bring none.
        head_of: The adapter whose head is meant; it need not be one of the tree's.
        key: Hash of everything that decides the score. Cells of one key are one score; it names
            what is kept of a finished cell in the scratch folder.
    """

    row: str
    column: str
    seed: str | None
    tree: Tree
    folders: Mapping[str, Path]
    data: DataRequest
    head: HeadRequest | None
    head_of: str | None = None
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOrder:
    """One table of scores.

    Attributes:
        step: Name of the step.
        task: The task and who provides it.
        task_options: Options of the task, defaults filled in, ``max_length`` as asked for.
        split: Split of the data sets.
        columns: Variables whose values make the columns.
        cells: All scores, row by row.
        baseline: Row that the others are compared with.
        batch_size: Inputs in a batch.
        bootstrap: How often the rows are drawn again for the confidence intervals.
        seed: Of these draws.
        parallel: Whether the columns' data is the same row by row, in translation.
        base_model: As in :class:`TrainOrder`.
        revision: As there.
        start: As there.
        device: As there.
        dtype: As there.
        output: An empty folder for the tables and predictions, as there.
        scratch: A folder for finished cells, as there.
        registry: What plugins provide.
        progress: Hears how far it is.
        warn: Hears of what the user should know.
    """

    step: str
    task: Registered[Task]
    task_options: Mapping[str, Any]
    split: str
    columns: tuple[str, ...]
    cells: tuple[CellOrder, ...]
    baseline: str
    batch_size: int
    bootstrap: int
    seed: int
    parallel: bool = False
    base_model: str
    revision: str | None
    start: Path
    device: str | None
    dtype: str
    output: Path
    scratch: Path
    registry: Registry
    progress: Progress = field(repr=False)
    warn: Callable[[str], None] = field(repr=False)
