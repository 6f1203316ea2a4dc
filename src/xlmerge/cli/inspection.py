"""An inspected adapter in words and tables."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

from xlmerge.cli.output import EMPTY, columns, count, size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlmerge.engine.inspection import Inspection, SiteFigures

__all__ = ["description", "overview"]

# The same on every terminal, so that outputs can be compared.
_WIDTH = 100
_INDENT = 13


def description(found: Inspection, *, layers: bool) -> str:
    """Everything about one adapter."""
    lines = []
    for label, value in _facts(found):
        first, *others = [part for text in value for part in _wrapped(text)]
        lines.append(f"{label + ':':<{_INDENT}}{first}")
        lines += [" " * _INDENT + other for other in others]
    return "\n".join([*lines, "", _table(found.sites, layers=layers)])


def overview(several: Mapping[str, Inspection]) -> str:
    """A line for each adapter."""
    rows = [
        (
            given,
            " + ".join(found.kinds),
            found.library,
            found.base_model or EMPTY,
            _ranges(found.layers) or EMPTY,
            found.numbers,
            ", ".join(found.dtypes),
            "yes" if found.head else EMPTY,
        )
        for given, found in several.items()
    ]
    header = ("folder", "kind", "library", "base model", "layers", "numbers", "precision", "head")
    return columns(header, rows)


def _wrapped(text: str) -> list[str]:
    """A text in lines; what follows the first is indented. Names and numbers stay whole."""
    return textwrap.wrap(
        text,
        _WIDTH - _INDENT,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]


def _facts(found: Inspection) -> list[tuple[str, list[str]]]:
    facts = [("folder", [found.path])]
    if found.name:
        facts.append(("name", [found.name]))
    version = found.version or "version not recorded"
    facts += [
        ("kind", [" + ".join(found.kinds)]),
        ("library", [f"{found.library} ({version}), {found.container}"]),
        ("base model", [_base_model(found)]),
        ("layers", [_ranges(found.layers) or "none"]),
        (
            "size",
            [f"{count(found.numbers, 'number')}, {size(found.bytes)} ({', '.join(found.dtypes)})"],
        ),
        ("head", _head(found)),
        ("settings", _settings(found)),
    ]
    if found.unread:
        facts.append(("not read", [", ".join(found.unread)]))
    if found.made_from:
        facts.append(("made from", [_made_from(found.made_from)]))
    return facts


def _base_model(found: Inspection) -> str:
    known = [
        text
        for text in (found.model_type, found.hidden_size and f"width {found.hidden_size}")
        if text
    ]
    return (found.base_model or "not recorded") + (
        f" ({', '.join(map(str, known))})" if known else ""
    )


def _head(found: Inspection) -> list[str]:
    if found.head is None:
        return ["none"]
    lines = [f"{key} {' x '.join(map(str, shape))}" for key, shape in found.head["tensors"].items()]
    labels = found.head["labels"]
    return [*lines, *([f"labels {', '.join(map(str, labels))}"] if labels else [])]


def _settings(found: Inspection) -> list[str]:
    """What adapters must share to be merged with it, a paragraph an architecture."""
    groups: dict[str, list[str]] = {}
    for name, value in found.settings.items():
        architecture, _, setting = name.partition(".")
        shown = value if isinstance(value, str) else json.dumps(value, default=str)
        groups.setdefault(architecture, []).append(f"{setting}={shown}")
    return [f"{name}: {', '.join(settings)}" for name, settings in groups.items()] or ["none"]


def _made_from(record: Mapping[str, Any]) -> str:
    try:
        inputs = ", ".join(str(item["name"]) for item in record["inputs"])
        if "trainer" in record:
            beneath = f" on top of {inputs}" if inputs else ""
            data = ", ".join(map(str, record["data"]))
            return f"{data} by {record['trainer']['name']}{beneath} (xlmerge.json)"
        return f"{inputs} by {record['method']['name']} (xlmerge.json)"
    except (KeyError, TypeError):
        return "xlmerge.json is there, but not as xlmerge writes it"


def _ranges(numbers: list[int]) -> str:
    """0-3, 5 instead of 0, 1, 2, 3, 5."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _table(sites: list[SiteFigures], *, layers: bool) -> str:
    if layers:
        rows: list[tuple[object, ...]] = [
            (
                EMPTY if site.layer is None else site.layer,
                site.part,
                site.site or EMPTY,
                site.numbers,
                site.norm,
                EMPTY if site.rank is None else site.rank,
            )
            for site in sites
        ]
        return columns(("layer", "part", "site", "numbers", "norm", "rank"), rows)
    groups: dict[tuple[str, str], list[SiteFigures]] = {}
    for site in sites:
        groups.setdefault((site.part, site.site), []).append(site)
    rows = [
        (
            part,
            site or EMPTY,
            _ranges([member.layer for member in members if member.layer is not None]) or EMPTY,
            sum(member.numbers for member in members),
            sum(member.norm**2 for member in members) ** 0.5,
            _ranges(sorted({member.rank for member in members if member.rank is not None}))
            or EMPTY,
        )
        for (part, site), members in groups.items()
    ]
    return columns(("part", "site", "layers", "numbers", "norm", "rank"), rows)
