"""Plans carried out: adapters located, steps merged in order, nothing repeated that is still true."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from xlmerge import __version__
from xlmerge.checkpoint.compatibility import BaseModel
from xlmerge.checkpoint.cover import cover
from xlmerge.checkpoint.folder import open_adapter_folder, read_json
from xlmerge.checkpoint.hashing import HashMemory
from xlmerge.checkpoint.hub import Located, locate
from xlmerge.checkpoint.model_card import model_card
from xlmerge.checkpoint.provenance import intact, library_versions, read_provenance, write_provenance
from xlmerge.checkpoint.staging import staged_folder
from xlmerge.errors import CheckpointError, OutputError, Problem, RecipeError, XLMergeError
from xlmerge.plan import Draft, MergeStepPlan, StepRequest, plan_merge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from xlmerge.checkpoint.cover import AdapterLayout
    from xlmerge.engine.report import MergeReport
    from xlmerge.plugin.registry import Registry

__all__ = ["Job", "Listener", "RunResult", "StepResult", "Work", "run_job"]

MANIFEST = "xlmerge-run.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be done: a recipe, or a command line that stands for one.

    Attributes:
        title: The recipe's name, recorded with every output.
        start: What relative references start from.
        references: Adapter name to folder or hub id.
        steps: Merges, in an order in which each comes after those it needs.
        base: What the user says of the base model.
        folders: Step name to output folder.
        where: Place of a path in the recipe, for messages.
        manifest: Where to remember hashes and hub commits; None to remember nothing.
        force: Replace outputs that are not this recipe's.
        update: Take the newest commit of hub repositories instead of the remembered one.
        warnings: Found before.
    """

    title: str
    start: Path
    references: Mapping[str, str]
    steps: tuple[StepRequest, ...]
    base: BaseModel
    folders: Mapping[str, Path]
    where: Callable[[tuple[str | int, ...]], str]
    manifest: Path | None = None
    force: bool = False
    update: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What became of a step.

    Attributes:
        name: The step.
        folder: Its output, a plain adapter folder.
        status: ``merged``, or ``up to date`` if nothing had to be done.
        seconds: Time it took.
        report: What was measured, as in ``xlmerge.json``.
    """

    name: str
    folder: Path
    status: Literal["merged", "up to date"]
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
        """A merge begins."""

    def progress(self, name: str, done: int, total: int) -> None:
        """Tensors of a merge that are done."""

    def step_finished(self, result: StepResult) -> None:
        """A step is done, or was up to date."""


@dataclass(slots=True)
class Work:
    """A job that passed all checks.

    Attributes:
        job: The job.
        located: Where its adapters lie.
        plans: Its merges.
        warnings: Found while planning.
    """

    job: Job
    located: dict[str, Located]
    layouts: dict[str, AdapterLayout]
    plans: tuple[MergeStepPlan, ...]
    memory: HashMemory
    pins: dict[str, str]
    warnings: list[str] = field(default_factory=list)


def run_job(job: Job, registry: Registry, listener: Listener | None = None, *, dry_run: bool = False) -> tuple[Work, RunResult]:
    """Check a job as a whole, then carry it out.

    Args:
        job: What to do.
        registry: Architectures and methods.
        listener: Who hears of it.
        dry_run: Stop after the checks.

    Raises:
        RecipeError: With everything that is wrong.
        XLMergeError: While merging or writing; outputs are whole or as they were before.
    """
    listener = listener or Listener()
    with ExitStack() as stack:
        work = _plan(job, registry, stack)
        for warning in (*job.warnings, *work.warnings):
            listener.warning(warning)
        results: list[StepResult] = []
        if not dry_run:
            runner = _Runner(work, registry, listener, stack)
            for plan in work.plans:
                results.append(runner.run(plan))
                _remember(work)
        return work, RunResult(steps=tuple(results), warnings=tuple(work.warnings))


# --- checks ---------------------------------------------------------------------------------------------------


def _plan(job: Job, registry: Registry, stack: ExitStack) -> Work:
    """Locate and read every adapter's header, plan every step; all problems at once."""
    remembered = _remembered(job)
    pins = {} if job.update else {key: str(value) for key, value in remembered.get("commits", {}).items()}
    work = Work(job, {}, {}, (), HashMemory(remembered.get("hashes")), {})
    problems: list[Problem] = []
    drafts: dict[str, Draft] = {}
    for name, reference in job.references.items():
        try:
            located = locate(reference, job.start, commit=pins.get(reference))
            layout = cover(stack.enter_context(open_adapter_folder(located.path)), registry)
        except XLMergeError as error:
            problems.append(Problem(message=f"{name}: {error.message}", where=job.where(("adapters", name)), hint=error.hint))
            continue
        if located.commit:
            work.pins[reference] = located.commit
        work.located[name], work.layouts[name] = located, layout
        drafts[name] = Draft(layout, layout if layout.has_head else None)
        if layout.folder.unread:
            work.warnings.append(f"{name}: not read and not carried over: {', '.join(layout.folder.unread)}")
    work.warnings += _same_folders(work.located)
    plans = []
    for step in job.steps:
        plan, draft, found, warnings = plan_merge(
            step, drafts, job.base, registry, lambda path, step=step: job.where(("steps", step.name, *path))
        )
        problems += found
        work.warnings += [warning for warning in warnings if warning not in work.warnings]
        if plan is not None and draft is not None:
            plans.append(plan)
            drafts[step.name] = draft
        problems += _output_problems(job, step.name, work)
    if problems:
        raise RecipeError(problems)
    work.plans = tuple(plans)
    return work


def _same_folders(located: Mapping[str, Located]) -> list[str]:
    by_path: dict[Path, list[str]] = {}
    for name, place in located.items():
        by_path.setdefault(place.path.resolve(), []).append(name)
    return [f"{' and '.join(names)} are one folder, {path}" for path, names in by_path.items() if len(names) > 1]


def _output_problems(job: Job, name: str, work: Work) -> list[Problem]:
    """Refuse to write over an input, or over what another hand made."""
    folder = job.folders[name]
    where = job.where(("steps", name))
    real = folder.resolve()
    for other, place in work.located.items():
        source = place.path.resolve()
        if real == source or source in real.parents or real in source.parents:
            return [
                Problem(
                    message=f"{name}: the output {folder} and the input {other} ({place.path}) overlap",
                    where=where,
                    hint="write somewhere else with -o",
                )
            ]
    if job.force or not folder.exists():
        return []
    if not folder.is_dir():
        return [Problem(message=f"{folder} exists and is no folder", where=where, hint="write somewhere else with -o")]
    if not any(folder.iterdir()):
        return []
    record = read_provenance(folder)
    if record is None or record.get("recipe") != job.title or record.get("step") != name:
        made = f"was made by {record.get('recipe')!r}" if record else "was not made by xlmerge"
        return [
            Problem(
                message=f"{folder} exists and {made}",
                where=where,
                hint="write somewhere else with -o, or replace it with --force",
            )
        ]
    if not intact(folder, record, work.memory):
        return [
            Problem(
                message=f"{folder} was changed since xlmerge wrote it",
                where=where,
                hint="keep a copy of the changes, then replace it with --force",
            )
        ]
    return []


# --- execution ------------------------------------------------------------------------------------------------


class _Runner:
    """Carries out the steps of checked work."""

    def __init__(self, work: Work, registry: Registry, listener: Listener, stack: ExitStack) -> None:
        self._work = work
        self._registry = registry
        self._listener = listener
        self._stack = stack
        self._layouts = dict(work.layouts)
        self._files: dict[str, dict[str, Any]] = {}

    def run(self, plan: MergeStepPlan) -> StepResult:
        """Merge, unless the output is there and still true."""
        started = time.monotonic()
        folder = self._work.job.folders[plan.name]
        record = read_provenance(folder) if folder.is_dir() else None
        if record is not None and not self._stale(plan, folder, record):
            result = StepResult(
                name=plan.name,
                folder=folder,
                status="up to date",
                seconds=time.monotonic() - started,
                report=record["report"],
            )
        else:
            result = self._merge(plan, folder, started)
        self._layouts[plan.name] = cover(self._stack.enter_context(open_adapter_folder(folder)), self._registry)
        self._listener.step_finished(result)
        return result

    def _stale(self, plan: MergeStepPlan, folder: Path, record: Mapping[str, Any]) -> bool:
        return record.get("fingerprint") != _fingerprint(plan, self._inputs(plan)) or not intact(
            folder, record, self._work.memory
        )

    def _merge(self, plan: MergeStepPlan, folder: Path, started: float) -> StepResult:
        from xlmerge.engine import write_merge

        self._listener.step_started(plan.name, plan.method.descriptor.name)
        layouts = {item.name: self._layouts[item.name] for item in plan.inputs}
        with staged_folder(folder) as stage, ThreadPoolExecutor(1, thread_name_prefix="xlmerge-hash") as pool:
            hashing = pool.submit(self._inputs, plan)
            report = write_merge(
                plan, layouts, stage, lambda done, total: self._listener.progress(plan.name, done, total)
            )
            inputs = hashing.result()
            self._warn_of_twins(inputs, report)
            record = self._record(plan, inputs, report)
            (stage / "README.md").write_text(model_card(record), encoding="utf-8")
            write_provenance(stage, record)
        return StepResult(
            name=plan.name,
            folder=folder,
            status="merged",
            seconds=time.monotonic() - started,
            report=record["report"],
        )

    def _inputs(self, plan: MergeStepPlan) -> list[dict[str, Any]]:
        """What went in, with hashes."""
        described = plan.describe()["inputs"]
        return [{**item, **self._source(item["name"])} for item in described]

    def _source(self, name: str) -> dict[str, Any]:
        if name not in self._files:
            files = self._layouts[name].folder.files
            header = self._layouts[name].folder.header
            self._files[name] = {
                "reference": self._work.job.references.get(name, f"step {name}"),
                "base_model": header.base_model,
                "files": {
                    file.name: {"sha256": self._work.memory.hash(file), "size": file.stat().st_size} for file in files
                },
            }
            located = self._work.located.get(name)
            if located is not None and located.commit:
                self._files[name]["commit"] = located.commit
        return self._files[name]

    def _warn_of_twins(self, inputs: list[dict[str, Any]], report: MergeReport) -> None:
        tensors: dict[str, list[str]] = {}
        for item in inputs:
            digest = next(file["sha256"] for name, file in item["files"].items() if not name.endswith(".json"))
            if item["name"] not in tensors.setdefault(digest, []):
                tensors[digest].append(item["name"])
        for names in tensors.values():
            if len(names) > 1:
                report.warnings.append(f"{' and '.join(names)} hold identical tensors")
                self._listener.warning(report.warnings[-1])

    def _record(self, plan: MergeStepPlan, inputs: list[dict[str, Any]], report: MergeReport) -> dict[str, Any]:
        method = plan.method
        header = self._layouts[plan.inputs[0].name].folder.header
        described = plan.describe()
        return {
            "step": plan.name,
            "recipe": self._work.job.title,
            "fingerprint": _fingerprint(plan, inputs),
            "library": header.format,
            "base_model": plan.base.name or header.base_model,
            "method": {
                "name": method.descriptor.name,
                "source": method.descriptor.source,
                "plugin": method.plugin,
                "distribution": method.distribution,
                "version": method.version,
            },
            "parameters": described["parameters"],
            "scope": described["scope"],
            "heads": described["heads"],
            "inputs": inputs,
            "versions": library_versions(),
            "report": report.as_data(),
        }


def _fingerprint(plan: MergeStepPlan, inputs: Iterable[Mapping[str, Any]]) -> str:
    """Hash of everything that decides the output's bytes: inputs' content, method, parameters, plugin versions."""
    content = {
        "xlmerge": __version__,
        "step": plan.name,
        "plan": {**plan.describe(), "inputs": None},
        "plugin": [plan.method.plugin, plan.method.distribution, plan.method.version],
        "inputs": [
            {key: item.get(key) for key in ("name", "role", "weight")}
            | {"files": {name: file["sha256"] for name, file in item["files"].items()}}
            for item in inputs
        ],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


# --- memory ---------------------------------------------------------------------------------------------------


def _remembered(job: Job) -> dict[str, Any]:
    """What the last run wrote down; nothing if it cannot be read, since all of it can be found out again."""
    if job.manifest is None or not job.manifest.is_file():
        return {}
    try:
        content = read_json(job.manifest)
    except CheckpointError:
        return {}
    return content if all(isinstance(content.get(key), dict) for key in ("hashes", "commits")) else {}


def _remember(work: Work) -> None:
    if work.job.manifest is None:
        return
    path = work.job.manifest
    content = {
        "recipe": work.job.title,
        "xlmerge": __version__,
        "steps": {plan.name: str(work.job.folders[plan.name].name) for plan in work.plans},
        "commits": work.pins,
        "hashes": work.memory.current,
    }
    stage = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        stage.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        stage.replace(path)
    except OSError as error:
        stage.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def step_name(text: str) -> str:
    """A name that fits a recipe, made from a folder's."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_") or "adapter"
