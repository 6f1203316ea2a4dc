"""What a step was made from: the record beside its output, and the fingerprint of it all."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from xlmerge import __version__
from xlmerge.checkpoint.provenance import library_versions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from xlmerge.checkpoint.cover import AdapterLayout
    from xlmerge.engine.report import MergeReport
    from xlmerge.plan import MergeStepPlan
    from xlmerge.plugin.registry import Registered
    from xlmerge.runner.job import Job

__all__ = ["fingerprint", "input_records", "provider", "step_record", "twins"]


def input_records(
    plan: MergeStepPlan, sources: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """What went into a step, with hashes.

    Args:
        plan: The step.
        sources: Facts of each input by name.
    """
    return [{**item, **sources[item["name"]]} for item in plan.describe()["inputs"]]


def step_record(
    job: Job,
    plan: MergeStepPlan,
    template: AdapterLayout,
    inputs: Sequence[Mapping[str, Any]],
    report: MergeReport,
) -> dict[str, Any]:
    """The content of ``xlmerge.json``, but for the hashes of the outputs."""
    described = plan.describe()
    method = plan.method.descriptor
    return {
        "step": plan.name,
        "recipe": job.title,
        "fingerprint": fingerprint(plan, template, inputs),
        "library": template.folder.header.format,
        "file_format": plan.container or template.folder.container,
        "base_model": plan.base.name or template.folder.header.base_model,
        "method": {"name": method.name, "source": method.source, **provider(plan.method)},
        "architectures": [
            {"name": covered.architecture.name, **provider(covered.registered)}
            for covered in template.covered_adapter
        ],
        "parameters": described["parameters"],
        "scope": described["scope"],
        "heads": described["heads"],
        "inputs": list(inputs),
        "versions": library_versions(),
        "report": report.as_data(),
    }


def provider(registered: Registered[Any]) -> dict[str, str | None]:
    """Plugin, distribution and version of a descriptor."""
    return {
        "plugin": registered.plugin,
        "distribution": registered.distribution,
        "version": registered.version,
    }


def fingerprint(
    plan: MergeStepPlan, template: AdapterLayout, inputs: Iterable[Mapping[str, Any]]
) -> str:
    """Hash of everything that decides the output's bytes.

    That is: the inputs' content, method, parameters, and the versions of the plugins that provide
    the method and the architectures.
    """
    providers: list[Registered[Any]] = [plan.method]
    providers += [covered.registered for covered in template.covered_adapter]
    content = {
        "xlmerge": __version__,
        "step": plan.name,
        "plan": {**plan.describe(), "inputs": None},
        "plugins": [
            [registered.descriptor.name, *provider(registered).values()] for registered in providers
        ],
        "inputs": [
            {key: item.get(key) for key in ("name", "role", "weight")}
            | {"files": {name: file["sha256"] for name, file in item["files"].items()}}
            for item in inputs
        ],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def twins(inputs: Iterable[Mapping[str, Any]]) -> list[str]:
    """Warnings for adapters whose tensors are one and the same file, by content."""
    by_content: dict[str, list[str]] = {}
    for item in inputs:
        digest = next(
            file["sha256"] for name, file in item["files"].items() if not name.endswith(".json")
        )
        names = by_content.setdefault(digest, [])
        if item["name"] not in names:
            names.append(item["name"])
    return [
        f"{' and '.join(names)} hold identical tensors"
        for names in by_content.values()
        if len(names) > 1
    ]
