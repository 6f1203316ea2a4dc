"""One merge carried out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from xlmerge.checkpoint.model_card import model_card
from xlmerge.checkpoint.provenance import differences, read_provenance, write_provenance
from xlmerge.checkpoint.staging import staged_folder
from xlmerge.errors import CheckpointError
from xlmerge.runner.record import fingerprint, input_records, step_record, twins

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xlmerge.checkpoint.cover import AdapterLayout
    from xlmerge.plan import MergeStepPlan
    from xlmerge.runner.run_state import RunState

__all__ = ["run_merge"]


def run_merge(plan: MergeStepPlan, state: RunState) -> tuple[str, Mapping[str, Any]]:
    """Merge, unless the output is there and still true.

    Returns:
        ``merged`` or ``up to date``, and the report.

    Raises:
        XLMergeError: It cannot be merged or written; the output is as it was.
    """
    folder = state.work.job.folders[plan.name]
    report = None if state.work.job.force else _current_report(plan, folder, state)
    if report is not None:
        return "up to date", report
    return "merged", _merge(plan, folder, state)


def _current_report(plan: MergeStepPlan, folder: Path, state: RunState) -> Mapping[str, Any] | None:
    """The report of an output that is there and still true; None if there is none such."""
    record = read_provenance(folder) if folder.is_dir() else None
    if record is None or not isinstance(report := record.get("report"), dict):
        return None
    expected = fingerprint(plan, _template(plan, state), _inputs(plan, state))
    if record.get("fingerprint") != expected:
        return None
    return None if differences(folder, record, state.work.memory) else report


def _merge(plan: MergeStepPlan, folder: Path, state: RunState) -> Mapping[str, Any]:
    """Merge into a folder that takes the output's place when it is finished."""
    from xlmerge.engine import write_merge

    state.listener.step_started(plan.name, plan.method.descriptor.name)
    layouts = {item.name: state.layouts[item.name] for item in plan.inputs}
    stamps = _stamps(layouts)

    def progress(done: int, total: int) -> None:
        state.listener.progress(plan.name, done, total)

    with (
        staged_folder(folder) as stage,
        ThreadPoolExecutor(1, thread_name_prefix="xlmerge-hash") as pool,
    ):
        hashing = pool.submit(_inputs, plan, state)
        report = write_merge(plan, layouts, stage, progress)
        inputs = hashing.result()
        if _stamps(layouts) != stamps:
            raise CheckpointError("an input was changed while it was merged", hint="run it again")
        report.warnings += twins(inputs)
        record = step_record(state.work.job, plan, _template(plan, state), inputs, report)
        card = model_card(record).encode("utf-8", errors="backslashreplace")
        (stage / "README.md").write_bytes(card)
        write_provenance(stage, record)
    merged: Mapping[str, Any] = record["report"]
    return merged


def _template(plan: MergeStepPlan, state: RunState) -> AdapterLayout:
    """The input that the output takes its form from."""
    return state.layouts[plan.inputs[0].name]


def _inputs(plan: MergeStepPlan, state: RunState) -> list[dict[str, Any]]:
    """What goes in, with hashes."""
    return input_records(plan, {name: state.facts(name) for name in plan.needs})


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
