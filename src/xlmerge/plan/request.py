"""What a step is asked to be, and what is known of the adapters it takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from xlmerge.plugin.trees import leaves

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xlmerge.checkpoint.cover import AdapterLayout
    from xlmerge.checkpoint.tensor_file import Container
    from xlmerge.plugin.trees import Tree

__all__ = [
    "Cell",
    "DataRequest",
    "Draft",
    "EvaluateRequest",
    "HeadRequest",
    "Place",
    "Request",
    "StepRequest",
    "TrainRequest",
]

Place: TypeAlias = tuple[str | int, ...]
"""Keys below a step, such as ``("with", "t")``."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An adapter as far as planning knows it: a folder, or what a step is going to write.

    Attributes:
        layout: Parameters and their meaning. For a step's result, those of its first input.
        head: Layout of the folder whose head it has or will have; None without one.
        planned: Whether it is a step's result, so that ``layout`` is of another folder.
    """

    layout: AdapterLayout
    head: AdapterLayout | None
    planned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRequest:
    """A merge as asked for, by a recipe, on the command line, or from Python.

    Attributes:
        name: Name of the step.
        method: Name of the method.
        adapters: Names, or name to weight.
        roles: Role to name.
        values: What stands under ``with``.
        heads: ``drop``, ``mean``, ``from NAME``, or None.
        dtype: Precision of the output.
        container: Container of the output.
    """

    name: str
    method: str
    adapters: Mapping[str, Any] | tuple[str, ...] | None = None
    roles: Mapping[str, str] | None = None
    values: Mapping[str, Any]
    heads: str | None = None
    dtype: str | None = None
    container: Container | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRequest:
    """A data set as asked for.

    Attributes:
        name: Its name in the recipe.
        path: A folder, a file, or an id on the hub.
        subset: Name of a configuration of a data set on the hub.
        revision: Commit, branch or tag on the hub.
        format: ``csv``, ``tsv``, ``jsonl``, ``json``, ``parquet``, ``text``, ``conll``, ``squad``;
            None to tell it from the files' names.
        files: Split to file below ``path``; wildcards are allowed.
        columns: Column that a task asks for to column in the data.
        labels: Names of the classes in order; empty to take them from the data.
        limit: Split to the number of rows that are taken from its beginning.
        start: What relative paths start from.
    """

    name: str
    path: str
    subset: str | None = None
    revision: str | None = None
    format: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    limit: Mapping[str, int] = field(default_factory=dict)
    start: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadRequest:
    """A prediction head that lies apart from its adapter.

    Attributes:
        name: Its name in the recipe.
        path: Its file, or a folder with a head as the adapters library writes it.
        task: The task it is for.
        labels: Names of its classes in order.
        options: Options of the task (``pooling``).
        start: What relative paths start from.
    """

    name: str
    path: str
    task: str
    labels: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    start: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest:
    """A training as asked for.

    Attributes:
        name: Name of the step, ``NAME/VALUE`` for an instance of a family.
        trainer: Name of the trainer.
        task: Name of the task; None if the recipe names none.
        task_options: Options of the task.
        data: Role to data sets, each with its sampling weight or None.
        stacked_on: The composition that lies frozen beneath.
        stacked_each: Compositions, one for each data set, in place of ``stacked_on``.
        adapter: Name of a configuration, or ``config`` and further fields; None for the trainer's.
        values: What stands under ``with``.
    """

    name: str
    trainer: str
    task: str | None = None
    task_options: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, tuple[tuple[DataRequest, float | None], ...]]
    stacked_on: Tree | None = None
    stacked_each: tuple[Tree, ...] = ()
    adapter: str | Mapping[str, Any] | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One score of an evaluation.

    Attributes:
        row: Label of the composition.
        column: What is scored on, as ``jav``; empty without columns.
        seed: Value of the variable that scores are averaged over; None without one.
        tree: The composition.
        data: The data set.
        head: The head, where the adapters bring none.
        head_of: The adapter whose head is meant; it need not be one of the tree's.
    """

    row: str
    column: str
    seed: str | None
    tree: Tree
    data: DataRequest
    head: HeadRequest | None = None
    head_of: str | None = None

    @property
    def adapters(self) -> tuple[str, ...]:
        """The adapters that are run, and the one that brings the head."""
        more = () if self.head_of is None else (self.head_of,)
        return tuple(dict.fromkeys((*leaves(self.tree), *more)))


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateRequest:
    """An evaluation as asked for.

    Attributes:
        name: Name of the step.
        task: Name of the task.
        task_options: Options of the task.
        split: Split of the data sets.
        columns: Variables whose values make the columns.
        cells: All scores, row by row.
        baseline: Row that the others are compared with.
        values: What stands under ``with``.
    """

    name: str
    task: str
    task_options: Mapping[str, Any] = field(default_factory=dict)
    split: str = "test"
    columns: tuple[str, ...] = ()
    cells: tuple[Cell, ...]
    baseline: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


Request: TypeAlias = StepRequest | TrainRequest | EvaluateRequest
"""Any step."""
