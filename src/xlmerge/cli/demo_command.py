"""``xlmerge demo``."""

from __future__ import annotations

from pathlib import Path

import click

_FOLDER = Path("xlmerge-demo")


@click.command("demo", short_help="Transfer to real languages, in minutes and without a network.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=_FOLDER,
    show_default=True,
    help="Folder for data, base model, recipe and results.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Another base model.")
@click.option("--plan", is_flag=True, help="Write data and recipe, explain them, and stop.")
@click.option("--force", is_flag=True, help="Make everything again, and replace what was changed.")
@click.option("-q", "--quiet", is_flag=True, help="Print the table and what it shows only.")
def command(output: Path, seed: int, plan: bool, force: bool, quiet: bool) -> None:
    """Show how a task gets to languages that nobody labelled anything in.

    Takes real phrases from Unicode CLDR, pre-trains a small base model on them, and carries out a
    recipe that it explains as it goes: language adapters, a task adapter trained in one language,
    the swap, language arithmetic, and a table of scores. It needs no network and about three
    minutes; a second run finds everything there.

    \b
    Examples:
      xlmerge demo
      xlmerge run xlmerge-demo/recipe.yaml
      xlmerge demo --seed 10 -o another
    """
    from xlmerge.cli.demonstration import demonstrate
    from xlmerge.demo.settings import Settings

    demonstrate(output, Settings(seed=seed), plan=plan, force=force, quiet=quiet)
