"""Whether a job may write where it is going to write."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlmerge.checkpoint.provenance import differences, read_provenance
from xlmerge.errors import DataError, Problem
from xlmerge.plan import EvaluateRequest, TrainRequest
from xlmerge.plan.split_files import data_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xlmerge.checkpoint.provenance import Differences
    from xlmerge.plan import DataRequest, HeadRequest
    from xlmerge.runner.job import Work
    from xlmerge.runner.manifest import Manifest

__all__ = ["output_problems"]

ELSEWHERE = "write somewhere else with -o"


def output_problems(work: Work, manifest: Manifest) -> list[Problem]:
    """Refuse to write over an input, outside the recipe's folder, or over another's work."""
    problems = []
    for name, folder in work.job.folders.items():
        try:
            reasons = [*_misplaced(work, folder), *_occupied(work, manifest, name, folder)]
        except OSError as error:
            reasons = [(f"{folder}: cannot be looked at: {error.strerror or error}", ELSEWHERE)]
        if reasons:
            message, hint = reasons[0]  # the others follow from it
            where = work.job.where(("steps", name))
            problems.append(Problem(message=f"{name}: {message}", where=where, hint=hint))
    return problems


def _misplaced(work: Work, folder: Path) -> Iterator[tuple[str, str]]:
    """What is wrong with the place itself, whatever is there."""
    real = folder.resolve()
    within = work.job.within
    if within is not None and within.resolve() not in real.parents:
        yield (
            f"the output {folder} leads to {real}, outside the recipe's folder",
            "say where to write with -o",
        )
    here = Path.cwd()
    if real == here or real in here.parents:
        yield f"the output {folder} is the current folder or holds it", ELSEWHERE
    recipe = work.job.recipe
    if recipe is not None and real in recipe.resolve().parents:
        yield f"the output {folder} holds the recipe", ELSEWHERE
    for other, path in _read_from(work):
        source = path.resolve()
        if real == source or source in real.parents or real in source.parents:
            yield f"the output {folder} and the input {other} ({path}) overlap", ELSEWHERE
    in_the_way = next((above for above in real.parents if above.exists()), None)
    if in_the_way is not None and not in_the_way.is_dir():
        yield f"the output would lie in {in_the_way}, which is a file", ELSEWHERE


def _read_from(work: Work) -> Iterator[tuple[str, Path]]:
    """What the job reads on this disk: adapters, the base model, data sets and heads."""
    yield from ((name, place.path) for name, place in work.located.items())
    if work.base is not None and work.base.path is not None:
        yield "base_model", work.base.path
    data: dict[str, DataRequest] = {}
    heads: dict[str, HeadRequest] = {}
    for step in work.job.steps:
        if isinstance(step, TrainRequest):
            data |= {request.name: request for sets in step.data.values() for request, _ in sets}
        elif isinstance(step, EvaluateRequest):
            data |= {cell.data.name: cell.data for cell in step.cells}
            heads |= {cell.head.name: cell.head for cell in step.cells if cell.head is not None}
    for name, head in heads.items():
        path = (head.start / Path(head.path).expanduser()).absolute()
        if path.exists():
            yield name, path
    for name, request in data.items():
        yield from ((name, path) for path in _files(request))


def _files(request: DataRequest) -> list[Path]:
    """The files of a data set on this disk; outputs may lie beside them, in the same folder."""
    try:
        return [path for paths in data_files(request).values() for path in paths]
    except DataError:
        return []  # planning tells of it


def _occupied(work: Work, manifest: Manifest, name: str, folder: Path) -> Iterator[tuple[str, str]]:
    """What is wrong with replacing what is there."""
    if not folder.exists():
        return
    if not folder.is_dir():
        yield f"{folder} exists and is no folder", ELSEWHERE
        return
    if work.job.force:
        below = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
        if below and not _ours(folder, below):
            # More than an adapter lies here; --force is meant for outputs, not for whole trees.
            shown = ", ".join(below[:3]) + (", ..." if below[3:] else "")
            reason = f"{folder} holds folders ({shown}) and is not replaced, not even with --force"
            yield reason, f"move them away, or {ELSEWHERE}"
        return
    if not any(folder.iterdir()):
        return
    replace = f"{ELSEWHERE}, or replace it with --force"
    record, changes = _state(work, folder)
    if record is None or record.get("recipe") != work.job.title or record.get("step") != name:
        made = f"was made by {record.get('recipe')!r}" if record else "was not made by xlmerge"
        yield f"{folder} exists and {made}", replace
    elif manifest.other_recipe is not None:
        yield f"{folder} exists and was made by {manifest.other_recipe}", replace
    elif changes.changed or changes.added:
        yield (
            f"{folder} was changed since xlmerge wrote it: {changes}",
            "keep a copy of the changes, then replace it with --force",
        )


def _ours(folder: Path, below: list[str]) -> bool:
    """Whether xlmerge wrote all the folders in an output (an evaluation's predictions)."""
    outputs = (read_provenance(folder) or {}).get("outputs")
    written = {name.partition("/")[0] for name in outputs} if isinstance(outputs, dict) else set()
    return set(below) <= written


def _state(work: Work, folder: Path) -> tuple[dict[str, Any] | None, Differences]:
    """The record of a folder, and how the folder differs from it."""
    while True:
        record = read_provenance(folder)
        changes = differences(folder, record or {}, work.memory)
        # A run beside this one may put a new result there between the two.
        if record is None or not changes or read_provenance(folder) == record:
            return record, changes
