"""Fingerprints and records of trainings and evaluations."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from xlmerge import __version__
from xlmerge.checkpoint.provenance import library_versions
from xlmerge.plan.evaluate_step import describe_cell
from xlmerge.runner.contents import hashes_of
from xlmerge.runner.record import provider

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from xlmerge.plan import Cell, EvaluateStepPlan, TrainStepPlan
    from xlmerge.plugin.registry import Registered
    from xlmerge.runner.job import Job

__all__ = ["cell_key", "evaluate_fingerprint", "live_record", "train_fingerprint"]


def train_fingerprint(plan: TrainStepPlan, facts: Mapping[str, Any]) -> str:
    """Hash of everything that decides what a training gives.

    That is: what was asked for, the content of all files, and the versions of the plugins that take
    part. Versions of the libraries and the device are recorded, and not compared.

    Args:
        plan: The training.
        facts: Of the base model, adapters by name, and data sets by name, with hashes.
    """
    described = plan.describe()
    described["data"] = {
        role: [_by_content(item, facts) for item in sets]
        for role, sets in described["data"].items()
    }
    providers: list[Registered[Any]] = [plan.trainer, *plan.rules.values()]
    providers += [] if plan.task is None else [plan.task]
    providers += [] if plan.adapter is None else [plan.adapter.architecture]
    return _hash(
        {
            "step": plan.name,
            "plan": {**described, "base_model": None},
            "if_present": sorted(plan.if_present),
            "plugins": _providers(providers),
            **_hashes(facts),
        }
    )


def evaluate_fingerprint(
    plan: EvaluateStepPlan, keys: Iterable[str], facts: Mapping[str, Any]
) -> str:
    """Hash of everything that decides the table; see :func:`train_fingerprint`.

    Args:
        plan: The evaluation.
        keys: Those of its cells.
        facts: As there.
    """
    described = plan.describe()
    cells = [
        {**{key: cell.get(key) for key in ("row", "column", "seed")}, "key": key}
        for cell, key in zip(described["cells"], keys, strict=True)
    ]
    return _hash(
        {
            "step": plan.name,
            "plan": {**described, "cells": cells, "base_model": None},
            "plugins": _providers([plan.task, *plan.rules.values()]),
            **_hashes(facts),
        }
    )


def cell_key(plan: EvaluateStepPlan, cell: Cell, facts: Mapping[str, Any]) -> str:
    """Hash of everything that decides one score.

    Args:
        plan: The evaluation it is part of.
        cell: The cell.
        facts: As for :func:`train_fingerprint`, of this cell alone.
    """
    described = describe_cell(cell)
    described["data"] = _by_content(described["data"], facts)
    described.get("head", {}).pop("path", None)
    return _hash(
        {
            "cell": {key: described.get(key) for key in ("compose", "data", "head")},
            "task": {plan.task.descriptor.name: dict(plan.task_options)},
            "split": plan.split,
            "dtype": plan.dtype,
            "plugins": _providers([plan.task, *plan.rules.values()]),
            **_hashes(facts),
        }
    )


def live_record(
    job: Job,
    plan: TrainStepPlan | EvaluateStepPlan,
    fingerprint: str,
    facts: Mapping[str, Any],
    report: Mapping[str, Any],
) -> dict[str, Any]:
    """The content of ``xlmerge.json``, but for the hashes of the outputs.

    Args:
        job: The job.
        plan: The step.
        fingerprint: Its fingerprint.
        facts: As the fingerprint got them.
        report: As the runtime gave it; ``versions`` and ``device`` in it are recorded apart.
    """
    described = plan.describe()
    report = dict(report)
    versions = {**library_versions(), **dict(report.pop("versions", {}))}
    return {
        "step": plan.name,
        "recipe": job.title,
        "fingerprint": fingerprint,
        "base_model": plan.base.name,
        "plan": described,
        "task": None if plan.task is None else _described(plan.task),
        "rules": [_described(rule) for rule in plan.rules.values()],
        "inputs": list(facts["adapters"].values()),
        "data": facts["data"],
        "base": facts["base"],
        **({"heads": facts["heads"]} if facts.get("heads") else {}),
        "device": report.pop("device", plan.device),
        "versions": versions,
        "report": report,
    }


def _described(registered: Registered[Any]) -> dict[str, Any]:
    descriptor = registered.descriptor
    return {"name": descriptor.name, "source": descriptor.source, **provider(registered)}


def _providers(registered: Iterable[Registered[Any]]) -> list[Any]:
    named = [[each.descriptor.name, *provider(each).values()] for each in registered]
    return sorted(named, key=repr)


def _by_content(described: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """A data set with what is in its files in place of its name and path."""
    rest = {key: value for key, value in described.items() if key not in {"name", "path"}}
    return {**rest, "content": hashes_of(facts["data"][described["name"]])}


def _hashes(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "base": hashes_of(facts["base"]),
        "adapters": {name: hashes_of(each) for name, each in facts["adapters"].items()},
        "heads": {name: hashes_of(each) for name, each in facts.get("heads", {}).items()},
    }


def _hash(content: Mapping[str, Any]) -> str:
    text = json.dumps({"xlmerge": __version__, **content}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
