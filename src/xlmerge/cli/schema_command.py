"""``xlmerge schema``."""

from __future__ import annotations

import click

from xlmerge.cli.output import print_json


@click.command("schema", short_help="Print the JSON Schema of recipes, for editors.")
def command() -> None:
    """Print the JSON Schema of recipes, with the methods that are installed.

    With it, editors complete and check recipes: methods, their roles, their parameters.

    \b
    Examples:
      xlmerge schema > recipe.schema.json
      # then, as the first line of a recipe, for editors with the YAML language server:
      # yaml-language-server: $schema=recipe.schema.json
    """
    from xlmerge.cli.method_schema import schema_with_methods
    from xlmerge.plugin import discover

    print_json(schema_with_methods(discover()))
