"""``xlmerge check``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("check", short_help="Check a recipe without carrying it out.")
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change the recipe first: --set steps.bridge.with.t=0.5. May be repeated.",
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing if all is well.")
def command(recipe: Path, overrides: tuple[str, ...], quiet: bool) -> None:
    """Check RECIPE without carrying it out.

    Its YAML, names, methods, trainers, tasks and parameters; whether its adapters fit each other
    and the base model, and whether its data is there. Reads the adapters' headers only, and imports
    no torch. All problems are told at once, with their lines; exits with 2 if there are any.
    Otherwise prints what `xlmerge run` would do.

    \b
    Examples:
      xlmerge check recipe.yaml
      xlmerge check recipe.yaml --set steps.bridge.merge=slerp
    """
    from xlmerge.api import check
    from xlmerge.cli.listening import EchoListener
    from xlmerge.cli.output import count
    from xlmerge.cli.planning import print_plan

    work = check(recipe, overrides=overrides, listener=EchoListener())
    if not quiet:
        print_plan(work)
        click.echo(f"{recipe}: {count(len(work.plans), 'step')}, no problems")
