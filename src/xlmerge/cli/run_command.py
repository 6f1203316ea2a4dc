"""``xlmerge run``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("run", short_help="Carry out a recipe.")
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder for the results.  [default: RECIPE without .yaml, beside it]",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change the recipe first: --set steps.bridge.with.t=0.5. May be repeated.",
)
@click.option("--dry-run", is_flag=True, help="Check, print the plan, and stop.")
@click.option(
    "--force",
    is_flag=True,
    help="Do every step again, and replace outputs that something else made or changed.",
)
@click.option(
    "--update",
    is_flag=True,
    help="Take the newest commits of hub repositories, not those of the last run.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print warnings and errors only.")
def command(
    recipe: Path,
    output: Path | None,
    overrides: tuple[str, ...],
    dry_run: bool,
    force: bool,
    update: bool,
    quiet: bool,
) -> None:
    """Carry out RECIPE; the result of each step is a plain adapter folder, OUTPUT/STEP.

    Everything is checked first. What is up to date is not done again; a killed run goes on
    where it was.

    \b
    A recipe:
      version: 1
      adapters:
        english: AdapterHub/xlm-roberta-base-en-wiki_pfeiffer
        indonesian: ./adapters/indonesian
      steps:
        bridge:
          merge: language_arithmetic
          adapters: {english: 0.4, indonesian: 0.6}

    \b
    Examples:
      xlmerge run recipe.yaml
      xlmerge run recipe.yaml --dry-run
      xlmerge run recipe.yaml -o results --set 'steps.bridge.adapters={english: 1}'
    """
    from xlmerge.cli.carrying_out import carry_out
    from xlmerge.jobs import recipe_job

    job = recipe_job(recipe, output=output, overrides=overrides, force=force, update=update)
    carry_out(job, dry_run=dry_run, quiet=quiet)
