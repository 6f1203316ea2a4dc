"""``xlmerge diff``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from xlmerge.cli.output import EMPTY, columns, print_json

if TYPE_CHECKING:
    from xlmerge.engine.comparison import PartFigures


@click.command("diff", short_help="Compare two adapters: mergeable? how far apart?")
@click.argument("first")
@click.argument("second")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(first: str, second: str, as_json: bool) -> None:
    """Compare FIRST and SECOND (folders or hub ids).

    Tells what stands against merging them and, by layer and part: the norms of what they add to the
    model; the distance, the norm of their difference over the larger of the two; and the cosine of
    the angle between them. 0 and 1 mean the same, 1.41 and 0 nothing in common.

    Exits with 1 if they cannot be merged.

    \b
    Examples:
      xlmerge diff adapters/english adapters/indonesian
      xlmerge diff AdapterHub/xlm-roberta-base-en-wiki_pfeiffer ./english --json
    """
    from xlmerge.api import load
    from xlmerge.engine.comparison import compare_adapters

    with load(first) as a, load(second) as b:
        found = compare_adapters(a.layout, b.layout, (first, second))
    if as_json:
        print_json(found.as_data())
    else:
        for warning in found.warnings:
            click.echo(f"warning: {warning}", err=True)
        for problem in found.problems:
            click.echo(f"cannot be merged: {problem}")
        if not found.problems:
            click.echo("identical" if found.identical else "can be merged")
        if found.parts:
            click.echo()
            click.echo(_table(found.parts))
    if found.problems:
        sys.exit(1)


def _table(parts: list[PartFigures]) -> str:
    rows = [
        (
            EMPTY if part.layer is None else part.layer,
            part.part,
            *part.norms,
            round(part.distance, 4),
            round(part.cosine, 4) + 0.0,  # no minus before a zero
        )
        for part in parts
    ]
    return columns(("layer", "part", "norm of first", "norm of second", "distance", "cosine"), rows)
