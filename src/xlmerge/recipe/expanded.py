"""A recipe without variables: what its steps are, one by one, with every name resolved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlmerge.plugin.trees import Tree
    from xlmerge.recipe.document import KeyPath
    from xlmerge.recipe.templates import Bindings

__all__ = [
    "ExpandedCell",
    "ExpandedEvaluate",
    "ExpandedMerge",
    "ExpandedStep",
    "ExpandedTrain",
    "Expansion",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Instance:
    """What all expanded steps have.

    Attributes:
        name: ``STEP`` or ``STEP/VALUE/VALUE``.
        step: The step's name in the recipe.
        bindings: Variable to value; empty without ``for_each``.
        written: Resolved name to the key that it stands for in the recipe, where they differ.
    """

    name: str
    step: str
    bindings: Bindings = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpandedMerge(_Instance):
    """A merge step; the attributes are those of :class:`xlmerge.recipe.MergeStep`."""

    merge: str
    adapters: Mapping[str, Any] | tuple[str, ...] | None = None
    roles: Mapping[str, str] | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    heads: str | None = None
    dtype: str | None = None
    format: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpandedTrain(_Instance):
    """A training step.

    Attributes:
        train: Name of the trainer.
        task: Name of the task, if given.
        task_options: Its options.
        on: What lies frozen beneath.
        on_each: What lies beneath for each dataset, in place of ``on``.
        data: Role to names of datasets, each with its weight or None. The role is empty where the
            recipe names one dataset without saying for what.
        adapter: Name of a configuration, or ``config`` and fields of it.
        values: What stands under ``with``.
    """

    train: str
    task: str | None = None
    task_options: Mapping[str, Any] = field(default_factory=dict)
    on: Tree | None = None
    on_each: tuple[Tree, ...] = ()
    data: Mapping[str, tuple[tuple[str, float | None], ...]] = field(default_factory=dict)
    adapter: str | Mapping[str, Any] | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpandedCell:
    """One score of a table.

    Attributes:
        row: The label of the row.
        column: Values of the variables but ``seed``, between slashes; empty without any.
        seed: Value of the variable ``seed``; None without one.
        tree: The composition.
        data: Name of the dataset.
        head: Name of the head, or of an adapter that brings it, if one is given.
    """

    row: str
    column: str
    seed: str | None
    tree: Tree
    data: str
    head: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpandedEvaluate(_Instance):
    """An evaluation step: one table.

    Attributes:
        task: Name of the task.
        task_options: Its options.
        split: Split of the datasets.
        columns: The variables whose values make the columns.
        cells: All scores, row by row.
        baseline: Label of the row that others are compared with; None for a single row.
        values: What stands under ``with``.
        composed: Whether the recipe says ``compose`` in place of ``rows``.
    """

    task: str
    task_options: Mapping[str, Any] = field(default_factory=dict)
    split: str = "test"
    columns: tuple[str, ...] = ()
    cells: tuple[ExpandedCell, ...] = ()
    baseline: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    composed: bool = False


ExpandedStep: TypeAlias = ExpandedMerge | ExpandedTrain | ExpandedEvaluate
"""Any step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """A recipe without variables.

    Attributes:
        steps: Each after those it uses; otherwise as in the recipe, values in the order given.
        adapters: Name of each adapter that is used, ``NAME`` or ``NAME/VALUE``, to its folder or
            hub id.
        datasets: Name of each dataset that is used to what the recipe says of it.
        heads: Name of each head that is used to what the recipe says of it.
        unused: ``adapter``, ``dataset``, ``head`` to the names that no step uses.
    """

    steps: tuple[ExpandedStep, ...]
    adapters: Mapping[str, str]
    datasets: Mapping[str, Mapping[str, Any]]
    heads: Mapping[str, Mapping[str, Any]]
    unused: Mapping[str, tuple[str, ...]]

    def written(self, path: KeyPath) -> KeyPath:
        """The path in the recipe behind a path in its expansion.

        Args:
            path: Such as ``("steps", "bridge/jav", "adapters", "language/jav")``.
        """
        if len(path) < 2 or path[0] not in {"adapters", "datasets", "heads", "steps"}:
            return path
        section, name, *rest = path
        step = next((step for step in self.steps if step.name == name), None)
        written = step.written if section == "steps" and step else {}
        base = str(name).partition("/")[0]
        if isinstance(step, ExpandedEvaluate) and step.composed and rest[:1] == ["rows"]:
            rest = ["compose", *rest[2:]]
        return (section, base, *(written.get(str(part), part) for part in rest))
