"""``xlmerge schema``."""

from __future__ import annotations

import json

import click


@click.command("schema", short_help="Print the JSON Schema of recipes, for editors.")
def command() -> None:
    """Print the JSON Schema of recipes, with the methods that are installed.

    \b
    With it, editors complete and check recipes:
      xlmerge schema > recipe.schema.json
      # first line of the recipe, for editors that use the YAML language server:
      # yaml-language-server: $schema=recipe.schema.json
    """
    from xlmerge.plugin import discover
    from xlmerge.recipe import recipe_json_schema

    methods: dict[str, dict[str, object]] = {name: {} for name in discover().methods}
    click.echo(json.dumps(recipe_json_schema(methods), indent=2, ensure_ascii=False))
