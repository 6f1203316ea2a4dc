"""``xlmerge methods``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from xlmerge.cli.table import columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xlmerge.plugin import MergeMethod, ParameterSpec, Registered, Registry


@click.group(
    "methods", invoke_without_command=True, short_help="List the merge methods, or show one."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """List the merge methods; `xlmerge methods show NAME` tells all of one."""
    if context.invoked_subcommand is not None:
        return
    from xlmerge.plugin import discover

    registry = discover()
    if as_json:
        click.echo(
            json.dumps([_described(item, registry) for item in registry.methods.values()], indent=2)
        )
        return
    rows = [
        (name, _takes(item.descriptor), item.distribution or "-", item.descriptor.summary)
        for name, item in registry.methods.items()
    ]
    click.echo(columns(("method", "takes", "from", "what it does"), rows))


@command.command("show", short_help="Show one method.")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(name: str, as_json: bool) -> None:
    """Show a method: inputs, parameters, ranges, defaults, source, and an example to copy."""
    from xlmerge.plugin import discover

    registry = discover()
    registered = registry.method(name)
    method = registered.descriptor
    if as_json:
        click.echo(json.dumps(_described(registered, registry), indent=2))
        return
    click.echo(f"{method.name}: {method.summary}")
    click.echo(f"source: {method.source}")
    click.echo(f"from: {registered.provider}")
    click.echo("\ninputs")
    if method.count is not None:
        weights = {
            "required": ", each with a weight",
            "optional": ", each with a weight if you like",
            "no": "",
        }
        click.echo(f"  adapters: {method.count}{weights[method.weighted]}")
    for role in method.roles:
        note = "" if role.required else " (optional)"
        click.echo(f"  role {role.name}{note}{': ' + role.summary if role.summary else ''}")
    of_role = f"those of the role {method.heads.removeprefix('from ')}"
    click.echo(f"  heads: {_HEADS.get(method.heads, of_role)}")
    click.echo("\nparameters (under `with:`)")
    for line in _parameter_lines(method.parameters):
        click.echo(line)
    if method.random:
        click.echo("  seed: whole number at least 0, default 0\n      of the random draws")
    scopes = " or ".join(method.scopes)
    click.echo(f"  scope: {scopes}, default {method.scopes[0]}\n      what one call spans")
    for architecture, options in _space_options(registry).items():
        click.echo(f"\noptions of {architecture} adapters (under `with:`, too)")
        for line in _parameter_lines(options):
            click.echo(line)
    click.echo("\nexample\n" + _example(method))


_HEADS = {
    "ask": "one head is carried unchanged; of several, say which (`heads:`)",
    "drop": "left out",
}


def _parameter_lines(specs: Iterable[ParameterSpec]) -> list[str]:
    lines = []
    for spec in specs:
        lines.append(f"  {spec.name}: {spec.describe()}")
        if spec.summary:
            lines.append(f"      {spec.summary}")
    return lines or ["  none"]


def _space_options(registry: Registry) -> dict[str, tuple[ParameterSpec, ...]]:
    """Options that recipes may give for the kinds of adapters, by architecture."""
    return {
        name: options
        for name, item in registry.architectures.items()
        if (options := next((half.options for half in item.descriptor.files), ()))
    }


def _takes(method: MergeMethod) -> str:
    parts = []
    if method.count is not None:
        weights = " with weights" if method.weighted == "required" else ""
        parts.append(f"{method.count} adapters{weights}")
    required = sum(role.required for role in method.roles)
    if required:
        parts.append(f"{required} roles")
    return ", ".join(parts)


def _example(method: MergeMethod) -> str:
    """A step to copy, with the defaults written out."""
    lines = ["  steps:", "    result:", f"      merge: {method.name}"]
    if method.count is not None:
        names = ["one", "two", "three"][: max(2, method.count.least)]
        weights = {name: f"{1 / len(names):.2g}" for name in names}
        listed = _flow(weights) if method.weighted == "required" else f"[{', '.join(names)}]"
        lines.append(f"      adapters: {listed}")
    roles = [role.name for role in method.roles if role.required]
    if roles:
        numbered = {role: f"adapter_{number}" for number, role in enumerate(roles, 1)}
        lines.append(f"      roles: {_flow(numbered)}")
    given = {
        spec.name: json.dumps(spec.default)
        for spec in method.parameters
        if not spec.required and spec.default is not None
    }
    if given:
        lines.append(f"      with: {_flow(given)}")
    return "\n".join(lines)


def _flow(pairs: dict[str, str]) -> str:
    return "{" + ", ".join(f"{name}: {value}" for name, value in pairs.items()) + "}"


def _described(registered: Registered[MergeMethod], registry: Registry) -> dict[str, Any]:
    method = registered.descriptor
    return {
        "name": method.name,
        "summary": method.summary,
        "source": method.source,
        "plugin": registered.plugin,
        "distribution": registered.distribution,
        "version": registered.version,
        "adapters": None
        if method.count is None
        else {"least": method.count.least, "most": method.count.most},
        "weights": method.weighted,
        "roles": [
            {"name": role.name, "required": role.required, "summary": role.summary}
            for role in method.roles
        ],
        "parameters": [_spec(spec) for spec in method.parameters],
        "random": method.random,
        "scopes": list(method.scopes),
        "heads": method.heads,
        "options": {
            name: [_spec(spec) for spec in options]
            for name, options in _space_options(registry).items()
        },
    }


def _spec(spec: ParameterSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "type": spec.type.__name__,
        "required": spec.required,
        "default": None if spec.required else spec.default,
        "range": str(spec.range) if spec.range else None,
        "choices": list(spec.choices),
        "optional": spec.optional,
        "summary": spec.summary,
    }
