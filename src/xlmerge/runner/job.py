"""What is to be done, and what became of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from xlmerge.checkpoint.compatibility import BaseModel
    from xlmerge.checkpoint.cover import AdapterLayout
    from xlmerge.checkpoint.hashing import HashMemory
    from xlmerge.checkpoint.hub import Located
    from xlmerge.plan import Request, StepPlan
    from xlmerge.plan.base_model import LocatedBase
    from xlmerge.plan.request import Place

__all__ = ["Job", "Listener", "RunResult", "StepResult", "Work", "step_name"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be done: a recipe, or a command line that stands for one.

    Attributes:
        title: The recipe's name, recorded with every output.
        start: What relative references start from.
        references: Adapter name to folder or hub id.
        steps: Merges, trainings and evaluations, in an order in which each comes after those it
            needs.
        base: What the user says of the base model.
        folders: Step name to output folder.
        where: Place of a path in the recipe, for messages.
        recipe: The recipe's file; None for a command line.
        within: Folder that outputs must stay in; None if the user said where to write.
        manifest: Where to remember hashes and hub commits; None to remember nothing.
        force: Do every step again, and replace outputs that are not this recipe's.
        update: Take the newest commit of hub repositories instead of the remembered one.
        warnings: Found before.
    """

    title: str
    start: Path
    references: Mapping[str, str]
    steps: tuple[Request, ...]
    base: BaseModel
    folders: Mapping[str, Path]
    where: Callable[[tuple[str | int, ...]], str]
    recipe: Path | None = None
    within: Path | None = None
    manifest: Path | None = None
    force: bool = False
    update: bool = False
    warnings: tuple[str, ...] = ()

    def where_in(self, step: str) -> Callable[[Place], str]:
        """Place of a path below a step, for messages."""
        return lambda place: self.where(("steps", step, *place))


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What became of a step.

    Attributes:
        name: The step.
        folder: Its output: a plain adapter folder, or the tables of an evaluation.
        status: ``merged``, ``trained`` or ``evaluated``, or ``up to date`` if nothing had to be
            done.
        seconds: Time it took.
        report: What was measured, as in ``xlmerge.json``.
    """

    name: str
    folder: Path
    status: Literal["merged", "trained", "evaluated", "up to date"]
    seconds: float
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What became of a job.

    Attributes:
        steps: Its steps, in the order they ran.
        warnings: What the user should know.
    """

    steps: tuple[StepResult, ...]
    warnings: tuple[str, ...]


class Listener:
    """Hears how a run goes; does nothing. A command line shows progress by overriding."""

    def warning(self, text: str) -> None:
        """Something the user should know."""

    def step_started(self, name: str, method: str) -> None:
        """A step begins: a merge by a method, a training by a trainer, an evaluation of a task."""

    def progress(self, name: str, done: int, total: int) -> None:
        """Tensors of a merge, steps of a training or cells of an evaluation that are done."""

    def note(self, name: str, text: str) -> None:
        """How a training or an evaluation stands, as ``loss 1.234``; told before `progress`."""

    def model_starts(self) -> None:
        """The first step that imports torch is about to begin, or another one after it."""

    def step_finished(self, result: StepResult) -> None:
        """A step is done, or was up to date."""


@dataclass(slots=True, kw_only=True)
class Work:
    """A job that passed all checks.

    Attributes:
        job: The job.
        located: Where its adapters lie.
        layouts: What they hold.
        base: Where the base model lies; None if no step runs it.
        plans: Its steps.
        memory: Hashes of files.
        pins: Hub reference to commit.
        commits: Hub reference to the commit that an earlier run got.
        warnings: What the user should know, in the order it was found.
    """

    job: Job
    memory: HashMemory
    located: dict[str, Located] = field(default_factory=dict)
    layouts: dict[str, AdapterLayout] = field(default_factory=dict)
    base: LocatedBase | None = None
    plans: tuple[StepPlan, ...] = ()
    pins: dict[str, str] = field(default_factory=dict)
    commits: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def step_name(text: str) -> str:
    """A name that fits a recipe, made from a folder's."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_")[:100] or "adapter"
