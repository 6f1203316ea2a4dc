"""One training carried out."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlmerge.checkpoint.cover import cover
from xlmerge.checkpoint.folder import CONFIG, open_adapter_folder
from xlmerge.checkpoint.provenance import write_provenance
from xlmerge.checkpoint.staging import staged_folder
from xlmerge.errors import CheckpointError, TrainingError
from xlmerge.plan.orders import TrainOrder
from xlmerge.runner.cards import training_card
from xlmerge.runner.contents import base_facts, data_facts
from xlmerge.runner.live_record import live_record, train_fingerprint
from xlmerge.runner.live_steps import progress_of, still_true
from xlmerge.runner.ranks import by_first, is_first
from xlmerge.runner.record import provider
from xlmerge.runner.scratch import drop_scratch, open_scratch, scratch_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlmerge.plan import TrainStepPlan
    from xlmerge.runner.run_state import RunState

__all__ = ["run_training"]


def run_training(plan: TrainStepPlan, state: RunState) -> tuple[str, Mapping[str, Any]]:
    """Train, unless the output is there and still true.

    Every process that takes part calls this; the first one alone writes.

    Returns:
        ``trained`` or ``up to date``, and the report.

    Raises:
        XLMergeError: It cannot be trained or written; the output is as it was. What was reached so
            far stays in the scratch folder, and the next run goes on from there.
    """
    job = state.work.job
    folder = job.folders[plan.name]

    def decide() -> tuple[dict[str, Any], str, Mapping[str, Any] | None]:
        facts = _facts(plan, state)
        fingerprint = train_fingerprint(plan, facts)
        report = None if job.force else still_true(folder, fingerprint, state.work.memory)
        scratch = scratch_folder(job, plan.name, fingerprint)
        if report is None:
            open_scratch(scratch, anew=job.force)
        else:
            drop_scratch(scratch)  # of a run that was killed when it was done
        return facts, fingerprint, report

    facts, fingerprint, report = by_first(decide)
    if report is not None:
        return "up to date", report
    state.listener.model_starts()
    state.listener.step_started(plan.name, plan.trainer.descriptor.name)
    from xlmerge.runtime.steps import train

    scratch = scratch_folder(job, plan.name, fingerprint)
    revision = facts["base"].get("revision")
    if is_first():
        with staged_folder(folder) as stage:
            made = train(_order(plan, state, stage, scratch, revision))
            record = live_record(job, plan, fingerprint, facts, made)
            record |= _made(plan, state, stage)
            card = training_card(record).encode("utf-8", errors="backslashreplace")
            (stage / "README.md").write_bytes(card)
            write_provenance(stage, record)
        drop_scratch(scratch)
        report = record["report"]
    else:
        with tempfile.TemporaryDirectory(prefix="xlmerge-") as output:
            train(_order(plan, state, Path(output), scratch, revision))
    return "trained", by_first(lambda: report) or {}


def _facts(plan: TrainStepPlan, state: RunState) -> dict[str, Any]:
    """What goes in, with hashes."""
    memory = state.work.memory
    requests = {request.name: request for sets in plan.data.values() for request, _ in sets}
    return {
        "base": base_facts(plan.base, state.base_revision(), memory),
        "adapters": {name: {"name": name, **state.facts(name)} for name in plan.needs},
        "data": {name: data_facts(request, memory) for name, request in requests.items()},
    }


def _order(
    plan: TrainStepPlan, state: RunState, output: Path, scratch: Path, revision: str | None
) -> TrainOrder:
    return TrainOrder(
        step=plan.name,
        adapter_name=plan.name.replace("/", "_"),
        trainer=plan.trainer,
        parameters=plan.parameters,
        task=plan.task,
        task_options=plan.task_options,
        data=plan.data,
        if_present=plan.if_present,
        tree=plan.stacked_on,
        trees=plan.stacked_each,
        folders=state.folders(plan.needs),
        adapter=None if plan.adapter is None else plan.adapter.fields,
        base_model=plan.base.name,
        revision=revision,
        start=plan.base.start,
        seed=plan.seed,
        device=plan.device,
        dtype=plan.dtype,
        output=output,
        scratch=scratch,
        registry=state.registry,
        progress=progress_of(plan.name, state.listener),
        warn=state.warn,
    )


def _made(plan: TrainStepPlan, state: RunState, stage: Path) -> dict[str, Any]:
    """What the trainer wrote, for the record.

    Raises:
        TrainingError: It is no adapter that can be read again.
    """
    trainer = plan.trainer.descriptor
    described: dict[str, Any] = {
        "trainer": {
            "name": trainer.name,
            "source": trainer.source,
            **provider(plan.trainer),
        },
        "parameters": plan.describe()["parameters"],
    }
    if plan.adapter is not None:
        described["adapter"] = {"config": plan.adapter.name, **plan.adapter.changes}
    if trainer.adapter is None and not (stage / CONFIG).is_file():
        return described
    try:
        with open_adapter_folder(stage) as opened:
            layout = cover(opened, state.registry)
    except CheckpointError as error:
        reason = error.message.replace(f"{stage}", "its folder")
        raise TrainingError(
            f"the trainer {trainer.name} ({plan.trainer.provider}) wrote no adapter that can be "
            f"read: {reason}",
            hint="report it to the plugin's author",
        ) from error
    return {
        **described,
        "library": opened.header.format,
        "file_format": opened.container,
        "architectures": [
            {"name": covered.architecture.name, **provider(covered.registered)}
            for covered in layout.covered_adapter
        ],
    }
