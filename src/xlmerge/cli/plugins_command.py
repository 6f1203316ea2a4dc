"""``xlmerge plugins``."""

from __future__ import annotations

import logging

import click

from xlmerge.cli.output import columns, print_json


@click.command("plugins", short_help="List the plugins, and which failed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """List the plugins that are installed, what they provide, and which failed and why.

    \b
    XLMERGE_DISABLE_PLUGINS=a,b   leaves plugins out, by the names of this list or by distribution
    XLMERGE_STRICT_PLUGINS=1      makes a broken plugin an error (exit code 3) with its traceback
    """
    from xlmerge.plugin import API_VERSION, discover

    # What other commands warn of is part of this one's result.
    logger = logging.getLogger("xlmerge")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        registry = discover()
    finally:
        logger.setLevel(level)
    if as_json:
        described = [
            {
                "name": info.name,
                "module": info.module,
                "distribution": info.distribution,
                "version": info.version,
                "status": info.status,
                "architectures": list(info.architectures),
                "methods": list(info.methods),
                "composition_rules": list(info.composition_rules),
                "trainers": list(info.trainers),
                "tasks": list(info.tasks),
                "failure": str(info.failure) if info.failure else None,
            }
            for info in registry.plugins
        ]
        print_json(
            {
                "api_version": API_VERSION,
                "plugins": described,
                "notices": list(registry.notices),
            }
        )
        return
    rows = [
        (info.name, " ".join(filter(None, [info.distribution, info.version])) or "-", info.status)
        for info in registry.plugins
    ]
    click.echo(columns(("plugin", "from", "status"), rows))
    for info in registry.plugins:
        offers = {
            "architectures": info.architectures,
            "merge methods": info.methods,
            "composition rules": info.composition_rules,
            "trainers": info.trainers,
            "tasks": info.tasks,
        }
        if any(offers.values()):
            click.echo(f"\n{info.name}")
        for kind, names in offers.items():
            if names:
                click.echo(f"  {kind}: {', '.join(names)}")
    click.echo(f"\nplugin API version {API_VERSION}")
    for failure in registry.failures:
        click.echo(f"\n{failure}")
    for notice in registry.notices:
        click.echo(f"\n{notice}")
