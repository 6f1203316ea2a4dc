"""What a trainer is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from xlmerge.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from xlmerge.plugin.trees import Tree
    from xlmerge.runtime.live import LiveModel
    from xlmerge.runtime.protocol import Rows, TaskLogic

__all__ = ["Source", "Training"]

Source: TypeAlias = "tuple[Rows, float | None]"
"""Rows, and how often they are drawn beside others; None where their number decides."""


def _silent(done: int, total: int, note: str) -> None:
    """Progress that nobody asked for."""


@dataclass(kw_only=True)
class Training:
    """A training step as it runs.

    Attributes:
        live: The model, in which nothing is active yet.
        name: Name of the step; the adapter is called like it in its file.
        task: The task.
        labels: Names of the classes in order.
        data: Role to rows, or to several sources of rows.
        adapter: Configuration of the adapter, as the adapters library writes it.
        output: Folder of the result; exists.
        scratch: Folder for checkpoints, which survives a kill; the same for all processes.
        seed: Decides everything random.
        on: The composition that lies frozen beneath.
        on_each: Compositions, one for each data set of ``train``, in place of ``on``.
        folders: Name of an adapter in ``on`` to its folder.
        metric: The score that states are chosen by; the task's first if not given.
        greater_is_better: Whether more of it is better.
        columns: Columns of a batch that architectures may ask for.
        names: Role to the names of its data sets, where they have names.
        progress: Called with the steps done, their number, and a word on the loss.
        report: What the trainer has to say; ``summary`` is printed.
    """

    live: LiveModel
    name: str
    task: TaskLogic
    labels: Sequence[str] = ()
    data: Mapping[str, Rows | Sequence[Source]]
    adapter: Mapping[str, Any] = field(default_factory=dict)
    output: Path
    scratch: Path
    seed: int = 0
    on: Tree | None = None
    on_each: tuple[Tree, ...] = ()
    folders: Mapping[str, Path] = field(default_factory=dict)
    metric: str | None = None
    greater_is_better: bool = True
    columns: tuple[str, ...] = ()
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    progress: Callable[[int, int, str], None] = _silent
    report: dict[str, Any] = field(default_factory=dict)

    def sources(self, role: str) -> tuple[Source, ...]:
        """The rows of a role, one entry a data set.

        Raises:
            DataError: The role is given and has no rows.
        """
        found = self.data.get(role)
        if found is None:
            return ()
        listed = [*found] if isinstance(found, list | tuple) else [(found, None)]
        if not listed or any(len(rows) == 0 for rows, _ in listed):
            raise DataError(
                f"{self.name}: the data for `{role}` has no rows",
                hint="look at its files, its split and its `limit`",
            )
        return tuple(listed)
