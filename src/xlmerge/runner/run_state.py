"""What a run knows while it goes: adapters that are there, their hashes, what was made anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.checkpoint.cover import cover
from xlmerge.checkpoint.folder import open_adapter_folder
from xlmerge.plan import Draft, PlanContext
from xlmerge.runner.contents import pinned_base

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import ExitStack
    from pathlib import Path

    from xlmerge.checkpoint.cover import AdapterLayout
    from xlmerge.plan import StepPlan
    from xlmerge.plugin.registry import Registry
    from xlmerge.runner.job import Listener, Work

__all__ = ["RunState"]


class RunState:
    """What the steps of a run share.

    Args:
        work: What to do.
        registry: What plugins provide.
        listener: Who hears of it.
        stack: Closes the files of results that later steps read.

    Attributes:
        work: As given.
        registry: As given.
        listener: As given.
        layouts: Adapters that are there, by name.
        renewed: Adapters that may be of another form than when the steps were planned.
    """

    def __init__(
        self, work: Work, registry: Registry, listener: Listener, stack: ExitStack
    ) -> None:
        self.work = work
        self.registry = registry
        self.listener = listener
        # A step may be called like an adapter only on a command line, where it is the last.
        self.layouts: dict[str, AdapterLayout] = dict(work.layouts)
        self.renewed: set[str] = set()
        self._stack = stack
        self._facts: dict[str, dict[str, Any]] = {}
        self._base_revision: tuple[str | None] | None = None

    def warn(self, text: str) -> None:
        """Tell the user something, once."""
        if text not in self.work.warnings:
            self.work.warnings.append(text)
            self.listener.warning(text)

    def open_result(self, plan: StepPlan) -> None:
        """Open the adapter that a step made, if a later one takes it."""
        later = self.work.plans[[each.name for each in self.work.plans].index(plan.name) + 1 :]
        if not any(plan.name in each.needs for each in later):
            return
        opened = self._stack.enter_context(open_adapter_folder(self.work.job.folders[plan.name]))
        self.layouts[plan.name] = cover(opened, self.registry)

    def context(self) -> PlanContext:
        """What planning a step again knows now."""
        drafts = {
            name: Draft(layout, layout if layout.has_head else None)
            for name, layout in self.layouts.items()
        }
        work = self.work
        return PlanContext(
            base=work.job.base, registry=self.registry, located=work.base, drafts=drafts
        )

    def folders(self, names: Iterable[str]) -> dict[str, Path]:
        """Folders of adapters that are there."""
        return {name: self.layouts[name].folder.path for name in names}

    def facts(self, name: str) -> Mapping[str, Any]:
        """Reference, base model, and hash of every file of an adapter; hashed once a run."""
        if name not in self._facts:
            self._facts[name] = self._read_facts(name)
        return self._facts[name]

    def _read_facts(self, name: str) -> dict[str, Any]:
        folder = self.layouts[name].folder
        memory, located = self.work.memory, self.work.located.get(name)
        facts: dict[str, Any] = {
            "reference": self.work.job.references.get(name, f"step {name}"),
            "base_model": folder.header.base_model,
            "files": {
                file.name: {"sha256": memory.hash(file), "size": file.stat().st_size}
                for file in folder.files
            },
        }
        if located is not None and located.commit:
            facts["commit"] = located.commit
        return facts

    def base_revision(self) -> str | None:
        """Commit of the base model on the hub, asked for once a run; None for a folder."""
        if self._base_revision is None:
            base = self.work.base
            self._base_revision = (None if base is None else pinned_base(base, self.work),)
        return self._base_revision[0]
