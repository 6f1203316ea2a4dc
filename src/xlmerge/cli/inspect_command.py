"""``xlmerge inspect``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from xlmerge.cli.inspection import description, overview
from xlmerge.cli.output import print_json

if TYPE_CHECKING:
    from xlmerge.engine.inspection import Inspection


@click.command("inspect", short_help="Tell what adapter folders hold.")
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...")
@click.option("--layers", is_flag=True, help="A line for every layer and site instead of sums.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; a list for several folders.")
def command(folders: tuple[str, ...], layers: bool, as_json: bool) -> None:
    """Tell what each FOLDER (or hub id) holds.

    Kind, layers and sites, sizes, norms, base model, head, and what it was merged from. Several
    folders get a line each; what cannot be read is told on stderr, and the others still listed.

    \b
    Examples:
      xlmerge inspect adapters/english
      xlmerge inspect adapters/english --layers
      xlmerge inspect adapters/*
    """
    if len(folders) == 1:
        found = _inspected(folders[0])
        if as_json:
            print_json(found.as_data())
        else:
            click.echo(description(found, layers=layers))
        return
    if layers and not as_json:
        raise click.UsageError("--layers is for one folder.")
    several, code = _each(folders)
    if as_json:
        print_json([found.as_data() for found in several.values()])
    elif several:
        click.echo(overview(several))
    if code:
        sys.exit(code)


def _inspected(folder: str) -> Inspection:
    from xlmerge.api import load
    from xlmerge.engine.inspection import inspect_layout

    with load(folder) as adapter:
        return inspect_layout(adapter.layout)


def _each(folders: tuple[str, ...]) -> tuple[dict[str, Any], int]:
    """What could be read, and the exit code of the first that could not."""
    from xlmerge.errors import XLMergeError

    found: dict[str, Any] = {}
    code = 0
    for folder in folders:
        try:
            found[folder] = _inspected(folder)
        except XLMergeError as error:
            click.echo(f"error: {error}", err=True)
            code = code or error.exit_code
    return found, code
