"""``xlmerge diff``."""

from __future__ import annotations

import json
import sys

import click

from xlmerge.cli.table import columns


@click.command(
    "diff", short_help="Compare two adapters: can they be merged, and how far apart are they?"
)
@click.argument("first")
@click.argument("second")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(first: str, second: str, as_json: bool) -> None:
    """Compare FIRST and SECOND (folders or hub ids).

    Tells what stands against merging them, and norms, distance and angle by layer and part.

    Exits with 1 if they cannot be merged.
    """
    from xlmerge.api import load
    from xlmerge.engine.comparison import compare_adapters

    with load(first) as a, load(second) as b:
        found = compare_adapters(a.layout, b.layout, (first, second))
    if as_json:
        click.echo(json.dumps(found.as_data(), indent=2, ensure_ascii=False))
    else:
        for warning in found.warnings:
            click.echo(f"warning: {warning}", err=True)
        for problem in found.problems:
            click.echo(f"cannot be merged: {problem}")
        if not found.problems:
            click.echo("identical" if found.identical else "can be merged")
        if found.parts:
            click.echo()
            rows = [
                (
                    "-" if part.layer is None else part.layer,
                    part.part,
                    *part.norms,
                    part.distance,
                    part.cosine,
                )
                for part in found.parts
            ]
            click.echo(
                columns(
                    ("layer", "part", "norm of first", "norm of second", "distance", "cosine"), rows
                )
            )
    if found.problems:
        sys.exit(1)
