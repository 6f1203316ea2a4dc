"""The steps of a checked job, one after the other."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from xlmerge.checkpoint.cover import cover
from xlmerge.checkpoint.folder import open_adapter_folder
from xlmerge.checkpoint.model_card import model_card
from xlmerge.checkpoint.provenance import differences, read_provenance, write_provenance
from xlmerge.checkpoint.staging import staged_folder
from xlmerge.errors import CheckpointError, XLMergeError
from xlmerge.runner.job import StepResult
from xlmerge.runner.record import fingerprint, input_records, step_record, twins

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import ExitStack
    from pathlib import Path

    from xlmerge.checkpoint.cover import AdapterLayout
    from xlmerge.plan import MergeStepPlan
    from xlmerge.plugin.registry import Registry
    from xlmerge.runner.job import Listener, Work

__all__ = ["StepRunner"]


class StepRunner:
    """Carries out the steps of checked work.

    Args:
        work: What to do.
        registry: Architectures and methods.
        listener: Who hears of it.
        stack: Closes the files of results that later steps read.
    """

    def __init__(
        self, work: Work, registry: Registry, listener: Listener, stack: ExitStack
    ) -> None:
        self._work = work
        self._registry = registry
        self._listener = listener
        self._stack = stack
        # A step may be called like an adapter only on a command line, where it is the last.
        self._layouts = dict(work.layouts)
        self._sources: dict[str, dict[str, Any]] = {}

    def run(self, plan: MergeStepPlan) -> StepResult:
        """Merge, unless the output is there and still true.

        Raises:
            XLMergeError: It cannot be merged or written; the output is as it was.
        """
        started = time.monotonic()
        folder = self._work.job.folders[plan.name]
        report = None if self._work.job.force else self._current_report(plan, folder)
        merged = report is None
        if report is None:
            report = self._merge(plan, folder)
        result = StepResult(
            name=plan.name,
            folder=folder,
            status="merged" if merged else "up to date",
            seconds=time.monotonic() - started,
            report=report,
        )
        if any(item.name == plan.name for later in self._later(plan) for item in later.inputs):
            opened = self._stack.enter_context(open_adapter_folder(folder))
            self._layouts[plan.name] = cover(opened, self._registry)
        for warning in report.get("warnings", ()):
            self._warn(str(warning))
        self._listener.step_finished(result)
        return result

    def _later(self, plan: MergeStepPlan) -> tuple[MergeStepPlan, ...]:
        """The steps that come after one."""
        return self._work.plans[self._work.plans.index(plan) + 1 :]

    def _warn(self, text: str) -> None:
        if text not in self._work.warnings:
            self._work.warnings.append(text)
            self._listener.warning(text)

    def _current_report(self, plan: MergeStepPlan, folder: Path) -> Mapping[str, Any] | None:
        """The report of an output that is there and still true; None if there is none such."""
        record = read_provenance(folder) if folder.is_dir() else None
        if record is None or not isinstance(report := record.get("report"), dict):
            return None
        expected = fingerprint(plan, self._template(plan), self._inputs(plan))
        if record.get("fingerprint") != expected:
            return None
        return None if differences(folder, record, self._work.memory) else report

    def _merge(self, plan: MergeStepPlan, folder: Path) -> Mapping[str, Any]:
        """Merge into a folder that takes the output's place when it is finished."""
        from xlmerge.engine import write_merge

        self._listener.step_started(plan.name, plan.method.descriptor.name)
        layouts = {item.name: self._layouts[item.name] for item in plan.inputs}
        stamps = _stamps(layouts)

        def progress(done: int, total: int) -> None:
            self._listener.progress(plan.name, done, total)

        with (
            _about(plan),
            staged_folder(folder) as stage,
            ThreadPoolExecutor(1, thread_name_prefix="xlmerge-hash") as pool,
        ):
            hashing = pool.submit(self._inputs, plan)
            report = write_merge(plan, layouts, stage, progress)
            inputs = hashing.result()
            if _stamps(layouts) != stamps:
                raise CheckpointError(
                    "an input was changed while it was merged", hint="run it again"
                )
            report.warnings += twins(inputs)
            record = step_record(self._work.job, plan, self._template(plan), inputs, report)
            card = model_card(record).encode("utf-8", errors="backslashreplace")
            (stage / "README.md").write_bytes(card)
            write_provenance(stage, record)
        merged: Mapping[str, Any] = record["report"]
        return merged

    def _template(self, plan: MergeStepPlan) -> AdapterLayout:
        """The input that the output takes its form from."""
        return self._layouts[plan.inputs[0].name]

    def _inputs(self, plan: MergeStepPlan) -> list[dict[str, Any]]:
        """What goes in, with hashes; large files are hashed once a run."""
        for item in plan.inputs:
            if item.name not in self._sources:
                self._sources[item.name] = self._source(item.name)
        return input_records(plan, self._sources)

    def _source(self, name: str) -> dict[str, Any]:
        folder = self._layouts[name].folder
        memory, located = self._work.memory, self._work.located.get(name)
        facts: dict[str, Any] = {
            "reference": self._work.job.references.get(name, f"step {name}"),
            "base_model": folder.header.base_model,
            "files": {
                file.name: {"sha256": memory.hash(file), "size": file.stat().st_size}
                for file in folder.files
            },
        }
        if located is not None and located.commit:
            facts["commit"] = located.commit
        return facts


@contextmanager
def _about(plan: MergeStepPlan) -> Iterator[None]:
    """Errors say which step they stopped; one of a recipe with many may have run for minutes."""
    try:
        yield
    except XLMergeError as error:
        if not error.message.startswith(f"{plan.name}: "):
            error.message = f"{plan.name}: {error.message}"
            error.args = (error.message,)
        raise


def _stamps(layouts: Mapping[str, AdapterLayout]) -> dict[Path, tuple[int, int]]:
    """Sizes and times of all files that are read."""
    try:
        return {
            file: (status.st_size, status.st_mtime_ns)
            for layout in layouts.values()
            for file in layout.folder.files
            for status in (file.stat(),)
        }
    except OSError as error:
        raise CheckpointError(
            f"an input has gone: {error.filename}: {error.strerror or error}"
        ) from error
