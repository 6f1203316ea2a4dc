"""``xlmerge methods``: merge methods, and whatever else plugins offer to recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from xlmerge.cli.live_methods import (
    described,
    find,
    live_tables,
    parameter_lines,
    shown,
    spec_data,
)
from xlmerge.cli.output import columns, count, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xlmerge.plugin import MergeMethod, Registered, Registry


def complete_method(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[str]:
    """Names of merge methods, for the completion of shells."""
    del context, parameter
    return [name for name in _quiet_registry().methods if name.startswith(incomplete)]


def complete_any(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of all that can be shown, for the completion of shells."""
    del context, parameter
    found = _quiet_registry()
    names = {*found.methods, *found.trainers, *found.tasks, *found.composition_rules}
    return sorted(name for name in names if name.startswith(incomplete))


def _quiet_registry() -> Registry:
    import logging

    from xlmerge.plugin import discover

    logging.getLogger("xlmerge").addHandler(logging.NullHandler())  # no warnings into the line
    return discover()


class _ShowByDefault(click.Group):
    """``xlmerge methods NAME`` is ``xlmerge methods show NAME``."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands and not args[0].startswith("-"):
            args = ["show", *args]
        return super().resolve_command(ctx, args)


@click.group(
    "methods",
    cls=_ShowByDefault,
    invoke_without_command=True,
    short_help="List merge methods, trainers, tasks and rules, or show one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """List the merge methods, trainers, tasks and composition rules, or show one.

    \b
    Examples:
      xlmerge methods
      xlmerge methods show ties
      xlmerge methods task_adapter
      xlmerge methods --json
    """
    if context.invoked_subcommand is not None:
        return
    from xlmerge.plugin import discover

    registry = discover()
    if as_json:
        print_json([*_everything(registry)])
        return
    rows = [
        (name, _takes(item.descriptor), item.distribution or "-", item.descriptor.summary)
        for name, item in registry.methods.items()
    ]
    click.echo(columns(("merge method", "takes", "from", "what it does"), rows))
    for table in live_tables(registry):
        click.echo(f"\n{table}")


def _everything(registry: Registry) -> Iterator[dict[str, Any]]:
    for item in registry.methods.values():
        yield _described(item, registry)
    for kind, catalogue in (
        ("trainer", registry.trainers),
        ("task", registry.tasks),
        ("composition rule", registry.composition_rules),
    ):
        for each in catalogue.values():
            yield described(kind, each)


@command.command("show", short_help="Show one of them.")
@click.argument("name", shell_complete=complete_any)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(name: str, as_json: bool) -> None:
    """Show what NAME takes, its parameters, ranges, defaults, source, and an example to copy."""
    from xlmerge.plugin import discover

    registry = discover()
    others = find(name, registry)
    if name in registry.methods or not others:
        _show_method(name, registry, as_json=as_json)
    for position, (kind, registered) in enumerate(others):
        if as_json:
            print_json(described(kind, registered))
            continue
        if position or name in registry.methods:
            click.echo()
        for line in shown(kind, registered):
            click.echo(line)


def _show_method(name: str, registry: Registry, *, as_json: bool) -> None:
    """Show a merge method."""
    registered = _find_method(name, registry)
    method = registered.descriptor
    if as_json:
        print_json(_described(registered, registry))
        return
    click.echo(f"{method.name}: {method.summary}")
    click.echo(f"source: {method.source}")
    click.echo(f"from: {registered.provider}")
    click.echo("\ninputs")
    for line in input_lines(method):
        click.echo(f"  {line}")
    click.echo("\nparameters (under `with:`)")
    for line in parameter_lines(method.parameters):
        click.echo(line)
    if method.random:
        click.echo("  seed: whole number at least 0, default 0\n      of the random draws")
    scopes = " or ".join(method.scopes)
    click.echo(f"  scope: {scopes}, default {method.scopes[0]}\n      what one call spans")
    from xlmerge.cli.method_schema import space_options

    for architecture, options in space_options(registry).items():
        click.echo(f"\noptions of {architecture} adapters (under `with:`, too)")
        for line in parameter_lines(options):
            click.echo(line)
    click.echo("\nexample")
    for line in example(method):
        click.echo(f"  {line}")


def _find_method(name: str, registry: Registry) -> Registered[MergeMethod]:
    """A merge method; a name that nobody knows may be a misspelt trainer, task or rule, too."""
    from difflib import get_close_matches

    from xlmerge.errors import ParameterError

    others = {*registry.trainers, *registry.tasks, *registry.composition_rules}
    nearest = get_close_matches(name, sorted({*registry.methods, *others}), n=1)
    try:
        return registry.method(name)
    except ParameterError as error:
        if not nearest or nearest[0] not in others or "disabled" in error.message:
            raise
        raise ParameterError(
            f"there is no merge method, trainer, task or composition rule {name!r}; did you mean "
            f"{nearest[0]!r}?",
            hint="`xlmerge methods` lists all of them",
        ) from error


_WEIGHTS = {
    "required": ", each with a weight",
    "optional": ", each with a weight if you like",
    "no": "",
}


def input_lines(method: MergeMethod) -> list[str]:
    """What a method takes, a line each."""
    lines = []
    if method.count is not None:
        lines.append(f"adapters: {method.count}{_WEIGHTS[method.weighted]}")
    for role in method.roles:
        note = "" if role.required else " (optional)"
        lines.append(f"role {role.name}{note}{': ' + role.summary if role.summary else ''}")
    heads = {
        "ask": "one is carried unchanged; of several, say which (`heads:`)",
        "drop": "left out",
    }
    of_role = f"that of the role {method.heads.removeprefix('from ')}"
    lines.append(f"heads: {heads.get(method.heads, of_role)}")
    return lines


def _takes(method: MergeMethod) -> str:
    parts = []
    if method.count is not None:
        least, most = method.count.least, method.count.most
        number = "" if most is None and least <= 1 else f"{method.count} ".removeprefix("exactly ")
        weights = " with weights" if method.weighted == "required" else ""
        parts.append(f"{number}adapters{weights}")
    required = sum(role.required for role in method.roles)
    if required:
        parts.append(count(required, "role"))
    return ", ".join(parts)


def example(method: MergeMethod) -> list[str]:
    """A step to copy, with the defaults written out."""
    lines = ["steps:", "  result:", f"    merge: {method.name}"]
    if method.count is not None:
        number = max(2, method.count.least)
        names = ["one", "two", "three", "four", *(f"more_{i}" for i in range(5, number + 1))]
        weights = dict.fromkeys(names[:number], f"{1 / number:.2g}")
        if method.weighted == "required":
            lines.append(f"    adapters: {_flow(weights)}")
        else:
            lines.append(f"    adapters: [{', '.join(weights)}]")
    roles = [role.name for role in method.roles if role.required]
    if roles:
        numbered = {role: f"adapter_{number}" for number, role in enumerate(roles, 1)}
        lines.append(f"    roles: {_flow(numbered)}")
    import json

    given = {
        spec.name: json.dumps(spec.default)
        for spec in method.parameters
        if not spec.required and spec.default is not None
    }
    if given:
        lines.append(f"    with: {_flow(given)}")
    return lines


def _flow(pairs: dict[str, str]) -> str:
    return "{" + ", ".join(f"{name}: {value}" for name, value in pairs.items()) + "}"


def _described(registered: Registered[MergeMethod], registry: Registry) -> dict[str, Any]:
    from xlmerge.cli.method_schema import space_options

    method = registered.descriptor
    return {
        "kind": "merge method",
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
        "parameters": [spec_data(spec) for spec in method.parameters],
        "random": method.random,
        "scopes": list(method.scopes),
        "heads": method.heads,
        "options": {
            name: [spec_data(spec) for spec in options]
            for name, options in space_options(registry).items()
        },
    }
