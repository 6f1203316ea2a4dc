"""``xlmerge inspect``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from xlmerge.cli.table import columns, size

if TYPE_CHECKING:
    from xlmerge.engine.inspection import Inspection, SiteFigures


@click.command("inspect", short_help="Tell what an adapter folder holds.")
@click.argument("folder")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--layers", is_flag=True, help="A line for every layer and site instead of sums.")
def command(folder: str, as_json: bool, layers: bool) -> None:
    """Tell what FOLDER (or a hub id) holds.

    Kind, layers and sites, sizes, norms, base model, head, and what it was merged from.
    """
    from xlmerge.api import load
    from xlmerge.engine.inspection import inspect_layout

    with load(folder) as adapter:
        found = inspect_layout(adapter.layout)
    if as_json:
        click.echo(json.dumps(found.as_data(), indent=2, ensure_ascii=False, default=str))
        return
    for label, value in _facts(found):
        click.echo(f"{label + ':':<13}{value}")
    click.echo()
    click.echo(_table(found.sites, layers=layers))


def _facts(found: Inspection) -> list[tuple[str, str]]:
    facts = [
        ("folder", found.path),
        ("kind", " + ".join(found.kinds)),
        (
            "library",
            f"{found.library} ({found.version or 'version not recorded'}), {found.container}",
        ),
        ("base model", _base_model(found)),
        ("layers", _ranges(found.layers) or "none"),
        ("size", f"{found.numbers:,} numbers, {size(found.bytes)} ({', '.join(found.dtypes)})"),
    ]
    if found.name:
        facts.insert(1, ("name", found.name))
    facts.append(("head", _head(found)))
    settings = ", ".join(
        f"{name.partition('.')[2]}={value}" for name, value in found.settings.items()
    )
    facts.append(("settings", settings or "none"))
    if found.unread:
        facts.append(("not read", ", ".join(found.unread)))
    if found.made_from:
        inputs = ", ".join(str(item["name"]) for item in found.made_from["inputs"])
        facts.append(
            ("made from", f"{inputs} by {found.made_from['method']['name']} (xlmerge.json)")
        )
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


def _head(found: Inspection) -> str:
    if found.head is None:
        return "none"
    shapes = ", ".join(f"{key} {tuple(shape)}" for key, shape in found.head["tensors"].items())
    labels = found.head["labels"]
    return f"{shapes}{'; labels ' + ', '.join(labels) if labels else ''}"


def _ranges(layers: list[int]) -> str:
    """0-3, 5 instead of 0, 1, 2, 3, 5."""
    parts: list[list[int]] = []
    for layer in layers:
        if parts and parts[-1][-1] == layer - 1:
            parts[-1].append(layer)
        else:
            parts.append([layer])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in parts)


def _table(sites: list[SiteFigures], *, layers: bool) -> str:
    if layers:
        rows: list[tuple[object, ...]] = [
            (
                "-" if site.layer is None else site.layer,
                site.part,
                site.site or "-",
                site.numbers,
                site.norm,
                "-" if site.rank is None else site.rank,
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
            site or "-",
            _ranges([member.layer for member in members if member.layer is not None]) or "-",
            sum(member.numbers for member in members),
            sum(member.norm**2 for member in members) ** 0.5,
            _ranges(sorted({member.rank for member in members if member.rank is not None})) or "-",
        )
        for (part, site), members in groups.items()
    ]
    return columns(("part", "site", "layers", "numbers", "norm", "rank"), rows)
