"""One evaluation carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.checkpoint.provenance import write_provenance
from xlmerge.checkpoint.staging import staged_folder
from xlmerge.plan.orders import CellOrder, EvaluateOrder
from xlmerge.runner.contents import base_facts, data_facts, head_facts
from xlmerge.runner.live_record import cell_key, evaluate_fingerprint, live_record
from xlmerge.runner.live_steps import progress_of, still_true
from xlmerge.runner.scratch import drop_scratch, open_scratch, scratch_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from xlmerge.plan import Cell, EvaluateStepPlan
    from xlmerge.runner.run_state import RunState

__all__ = ["run_evaluation"]


def run_evaluation(plan: EvaluateStepPlan, state: RunState) -> tuple[str, Mapping[str, Any]]:
    """Score, unless the table is there and still true. Only one process does it.

    Returns:
        ``evaluated`` or ``up to date``, and the report.

    Raises:
        XLMergeError: It cannot be scored or written; the output is as it was. Cells that were
            finished stay in the scratch folder, and the next run goes on from there.
    """
    job = state.work.job
    folder = job.folders[plan.name]
    facts = _facts(plan, state)
    keys = [cell_key(plan, cell, _facts_of(cell, facts)) for cell in plan.cells]
    fingerprint = evaluate_fingerprint(plan, keys, facts)
    scratch = scratch_folder(job, plan.name, fingerprint)
    report = None if job.force else still_true(folder, fingerprint, state.work.memory)
    if report is not None:
        drop_scratch(scratch)  # of a run that was killed when it was done
        return "up to date", report
    state.listener.model_starts()
    state.listener.step_started(plan.name, plan.task.descriptor.name)
    from xlmerge.runtime.steps import evaluate

    open_scratch(scratch, anew=job.force)
    with staged_folder(folder) as stage:
        made = evaluate(_order(plan, keys, state, stage, scratch, facts))
        record = live_record(job, plan, fingerprint, facts, made)
        write_provenance(stage, record)
    drop_scratch(scratch)
    scored: Mapping[str, Any] = record["report"]
    return "evaluated", scored


def _facts(plan: EvaluateStepPlan, state: RunState) -> dict[str, Any]:
    """What goes in, with hashes."""
    memory = state.work.memory
    data = {cell.data.name: cell.data for cell in plan.cells}
    heads = {cell.head.name: cell.head for cell in plan.cells if cell.head is not None}
    return {
        "base": base_facts(plan.base, state.base_revision(), memory),
        "adapters": {name: {"name": name, **state.facts(name)} for name in plan.needs},
        "data": {name: data_facts(request, memory) for name, request in data.items()},
        "heads": {name: head_facts(request, memory) for name, request in heads.items()},
    }


def _facts_of(cell: Cell, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What goes into one score."""
    heads = [] if cell.head is None else [cell.head.name]
    return {
        "base": facts["base"],
        "adapters": {name: facts["adapters"][name] for name in cell.adapters},
        "data": {cell.data.name: facts["data"][cell.data.name]},
        "heads": {name: facts["heads"][name] for name in heads},
    }


def _order(
    plan: EvaluateStepPlan,
    keys: Sequence[str],
    state: RunState,
    output: Path,
    scratch: Path,
    facts: Mapping[str, Any],
) -> EvaluateOrder:
    return EvaluateOrder(
        step=plan.name,
        task=plan.task,
        task_options=plan.task_options,
        split=plan.split,
        columns=plan.columns,
        cells=tuple(
            CellOrder(
                row=cell.row,
                column=cell.column,
                seed=cell.seed,
                tree=cell.tree,
                folders=state.folders(cell.adapters),
                data=cell.data,
                head=cell.head,
                head_of=cell.head_of,
                key=key,
            )
            for cell, key in zip(plan.cells, keys, strict=True)
        ),
        baseline=plan.baseline,
        batch_size=plan.batch_size,
        bootstrap=plan.bootstrap,
        parallel=plan.parallel,
        seed=plan.seed,
        base_model=plan.base.name,
        revision=facts["base"].get("revision"),
        start=plan.base.start,
        device=plan.device,
        dtype=plan.dtype,
        output=output,
        scratch=scratch,
        registry=state.registry,
        progress=progress_of(plan.name, state.listener),
        warn=state.warn,
    )
