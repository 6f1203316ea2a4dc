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
    """Carry out RECIPE; the result of each step is a folder, OUTPUT/STEP.

    That is a plain adapter, or the table of an evaluation. Everything is checked first. What is up
    to date is not done again; a killed run goes on where it was, also within a training. On several
    GPUs: `torchrun --nproc-per-node 2 -m xlmerge run RECIPE`.

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
    A recipe that trains a task on top of a language, for three seeds, and scores it:
      version: 1
      base_model: xlm-roberta-base
      adapters: {english: ./adapters/english, javanese: ./adapters/javanese}
      datasets:
        sentiment_en: {path: data/en, files: {train: train.csv, test: test.csv}}
        sentiment_jv: {path: data/jv, files: {test: test.csv}}
      steps:
        polarity:
          for_each: {seed: [0, 1, 2]}
          train: task_adapter
          task: sequence_classification
          on: english
          data: sentiment_en
          with: {epochs: 10, seed: <seed>}
        scores:
          for_each: {seed: [0, 1, 2]}
          evaluate: sequence_classification
          data: sentiment_jv
          rows:
            source language: {stack: [english, polarity]}
            target language: {stack: [javanese, polarity]}

    `xlmerge methods` lists merge methods, trainers, tasks and rules of compositions.

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
