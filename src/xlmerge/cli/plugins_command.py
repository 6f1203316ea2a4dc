"""``xlmerge plugins``."""

from __future__ import annotations

import json

import click

from xlmerge.cli.table import columns


@click.command("plugins", short_help="List the plugins, what they provide, and which failed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """List the plugins that are installed, what they provide, and which failed.

    \b
    XLMERGE_DISABLE_PLUGINS=a,b   leaves plugins out, by the names of this list or by distribution
    XLMERGE_STRICT_PLUGINS=1      makes a broken plugin an error instead of a warning
    """
    from xlmerge.plugin import API_VERSION, discover

    registry = discover()
    if as_json:
        described = [
            {
                "name": info.name,
                "distribution": info.distribution,
                "version": info.version,
                "status": info.status,
                "architectures": list(info.architectures),
                "methods": list(info.methods),
                "failure": str(info.failure) if info.failure else None,
            }
            for info in registry.plugins
        ]
        click.echo(json.dumps({"api_version": API_VERSION, "plugins": described}, indent=2))
        return
    rows = [
        (
            info.name,
            " ".join(filter(None, [info.distribution, info.version])),
            info.status,
            ", ".join(info.architectures) or "-",
            ", ".join(info.methods) or "-",
        )
        for info in registry.plugins
    ]
    click.echo(columns(("plugin", "from", "status", "architectures", "merge methods"), rows))
    click.echo(f"\nplugin API version {API_VERSION}")
    for failure in registry.failures:
        click.echo(f"failed: {failure}")
