"""A model card that a person can read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["cell", "loading", "model_card"]


def model_card(record: Mapping[str, Any]) -> str:
    """``README.md`` of a merged adapter, from its provenance record.

    Args:
        record: As written to ``xlmerge.json``.
    """
    library, base, method = record["library"], record.get("base_model"), record["method"]
    front = ["---", f"library_name: {library}"]
    if base:
        front.append(f"base_model: {json.dumps(base)}")
    front += ["tags:", f"- {library}", "- xlmerge", f"- {method['name']}", "---"]
    lines = [
        *front,
        "",
        f"# {record['step']}",
        "",
        _made(record),
        "",
        "## Made from",
        "",
        "| adapter | as | where from | SHA-256 of its tensors |",
        "|---|---|---|---|",
        *[_input_row(item) for item in record["inputs"]],
        "",
        *_parameters(record),
        "## Load it",
        "",
        "```python",
        *loading(library, record["file_format"]),
        "```",
        "",
        *_measured(record),
        "Everything above, in full: `xlmerge.json` beside this file.",
    ]
    return "\n".join(lines) + "\n"


def _made(record: Mapping[str, Any]) -> str:
    """What it is, in two sentences."""
    base, method = record.get("base_model"), record["method"]
    return (
        f"An adapter for {f'`{base}`' if base else 'an unnamed base model'}, merged from "
        f"{_count(record['inputs'])} by `{method['name']}` ({method['source']}) with xlmerge "
        f"{record['versions']['xlmerge']}. It was not trained."
    )


def _count(inputs: list[Any]) -> str:
    return "one adapter" if len(inputs) == 1 else f"{len(inputs)} adapters"


def _input_row(item: Mapping[str, Any]) -> str:
    used = item.get("role") or (
        "weight " + json.dumps(item["weight"]) if "weight" in item else "input"
    )
    tensors = next(
        (file["sha256"] for name, file in item["files"].items() if not name.endswith(".json")), ""
    )
    cells = [item["name"], used, f"`{item['reference']}`", f"`{tensors[:16]}`"]
    return f"| {' | '.join(cell(text) for text in cells)} |"


def cell(text: str) -> str:
    """A text that stays in its cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def _parameters(record: Mapping[str, Any]) -> list[str]:
    given = {name: value for name, value in record["parameters"].items() if value is not None}
    lines = [f"- `{name}`: {json.dumps(value)}" for name, value in given.items()]
    lines += [f"- prediction head: {record['heads']}"]
    return ["## With", "", *lines, ""]


def loading(library: str, container: str) -> list[str]:
    """How to load an adapter of a library, in Python."""
    if library == "peft":
        return [
            "from peft import PeftModel",
            "",
            'model = PeftModel.from_pretrained(base_model, "path/to/this/folder")',
        ]
    # `adapters` looks for .bin unless it is told otherwise.
    option = ", use_safetensors=True" if container == "safetensors" else ""
    return [
        "import adapters",
        "",
        "adapters.init(model)",
        f'name = model.load_adapter("path/to/this/folder"{option})',
    ]


def _measured(record: Mapping[str, Any]) -> list[str]:
    measured = record["report"]["measured"]
    if not measured:
        return []
    lines = [
        "## Measured while merging",
        "",
        "| what | parameters | least | mean | most | sum |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {fact} | {values['parameters']} | "
        + " | ".join(f"{values[figure]:.4g}" for figure in ("least", "mean", "most", "sum"))
        + " |"
        for fact, values in measured.items()
    ]
    return [*lines, ""]
