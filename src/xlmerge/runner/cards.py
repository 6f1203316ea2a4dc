"""A model card of a trained adapter that a person can read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from xlmerge.checkpoint.model_card import cell, loading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["training_card"]


def training_card(record: Mapping[str, Any]) -> str:
    """``README.md`` of a trained adapter, from its provenance record.

    Args:
        record: As written to ``xlmerge.json``.
    """
    library, trainer = record.get("library", "adapters"), record["trainer"]
    said = (
        f"An adapter for `{record['base_model']}`, trained by `{trainer['name']}` "
        f"({trainer['source']}) with xlmerge {record['versions']['xlmerge']}."
    )
    lines = [
        "---",
        f"library_name: {library}",
        f"base_model: {json.dumps(record['base_model'])}",
        "tags:",
        f"- {library}",
        "- xlmerge",
        f"- {trainer['name']}",
        "---",
        "",
        f"# {record['step']}",
        "",
        said,
        "",
        *_trained_on(record),
        *_beneath(record),
        *_with(record),
    ]
    if "file_format" in record:
        lines += ["## Load it", "", "```python", *loading(library, record["file_format"]), "```"]
        lines += [""]
    if summary := record["report"].get("summary"):
        lines += ["## Measured", "", str(summary), ""]
    lines.append("Everything above, in full: `xlmerge.json` beside this file.")
    return "\n".join(lines) + "\n"


def _trained_on(record: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## Trained on", "", "| data | as | where from | weight |", "|---|---|---|---|")
    for role, sets in record["plan"]["data"].items():
        for item in sets:
            cells = [item["name"], role, f"`{item['path']}`", str(item.get("weight", ""))]
            yield f"| {' | '.join(cell(text) for text in cells)} |"
    yield ""


def _beneath(record: Mapping[str, Any]) -> Iterator[str]:
    """The frozen adapters it was trained on top of; without them it means nothing."""
    if not record["inputs"]:
        return
    yield "## On top of"
    yield ""
    yield f"These adapters lay frozen beneath it: `{json.dumps(record['plan']['on'])}`"
    yield ""
    yield from ("| adapter | where from | SHA-256 of its tensors |", "|---|---|---|")
    for item in record["inputs"]:
        tensors = next(
            (file["sha256"] for name, file in item["files"].items() if not name.endswith(".json")),
            "",
        )
        cells = [item["name"], f"`{item['reference']}`", f"`{tensors[:16]}`"]
        yield f"| {' | '.join(cell(text) for text in cells)} |"
    yield ""


def _with(record: Mapping[str, Any]) -> Iterator[str]:
    plan = record["plan"]
    yield from ("## With", "")
    for task, options in plan.get("task", {}).items():
        given = ", ".join(f"{key} {json.dumps(value)}" for key, value in options.items())
        yield f"- task `{task}`{': ' + given if given else ''}"
    for name, value in plan["parameters"].items():
        if value is not None:
            yield f"- `{name}`: {json.dumps(value)}"
    if "adapter" in record:
        yield f"- adapter: `{json.dumps(record['adapter'])}`"
    yield ""
