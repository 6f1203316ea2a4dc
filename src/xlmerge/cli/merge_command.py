"""``xlmerge merge``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from xlmerge.errors import ParameterError


@click.command("merge", short_help="Merge adapters without a recipe.")
@click.argument("method")
@click.argument("adapters", nargs=-1, metavar="[ADAPTER]...")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder to write."
)
@click.option(
    "--weights", metavar="W,W,...", help="One weight for each ADAPTER; nothing is normalised."
)
@click.option(
    "--role",
    "roles",
    multiple=True,
    metavar="ROLE=ADAPTER",
    help="An adapter in a named role; may be repeated.",
)
@click.option(
    "--with",
    "values",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter: t=0.5, 't={layers.0-5: 0.2, default: 1}'.",
)
@click.option("--heads", metavar="drop|mean|'from NAME'", help="What becomes of prediction heads.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16", "bfloat16", "float64"]),
    help="Precision [default: that of the inputs].",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["safetensors", "bin"]),
    help="File format [default: that of the inputs].",
)
@click.option(
    "--base-model", metavar="NAME", help="The base model all adapters must have been trained on."
)
@click.option(
    "--base-model-alias",
    "aliases",
    multiple=True,
    metavar="NAME",
    help="Another name of that model; may be repeated.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@click.option("--force", is_flag=True, help="Replace what is at OUTPUT.")
@click.option("-q", "--quiet", is_flag=True, help="Print warnings and errors only.")
def command(
    method: str,
    adapters: tuple[str, ...],
    output: Path,
    weights: str | None,
    roles: tuple[str, ...],
    values: tuple[str, ...],
    heads: str | None,
    dtype: str | None,
    format_: str | None,
    base_model: str | None,
    aliases: tuple[str, ...],
    dry_run: bool,
    force: bool,
    quiet: bool,
) -> None:
    """Merge adapters by METHOD (see `xlmerge methods`). An ADAPTER is a folder or a hub id.

    \b
    Examples:
      xlmerge merge linear en id --weights 0.4,0.6 -o bridge
      xlmerge merge ties a b c --with density=0.3 -o merged
      xlmerge merge adamergex --role task_in_source=senti-id --role reference_in_source=emot-id \\
              --role reference_in_target=emot-jv --with t=0.5 -o senti-jv
    """
    from xlmerge.api import merge_job
    from xlmerge.cli.listening import EchoListener
    from xlmerge.cli.planning import print_plan
    from xlmerge.plugin import discover
    from xlmerge.runner import run_job

    job = merge_job(
        method,
        list(adapters),
        output=output,
        roles=_roles(roles),
        weights=_weights(weights),
        parameters=_values(values),
        heads=heads,
        dtype=dtype,
        format=format_,
        base_model=base_model,
        base_model_aliases=aliases,
        force=force,
    )
    listener = EchoListener(quiet=quiet)
    try:
        work, _ = run_job(job, discover(), listener, dry_run=dry_run)
    finally:
        listener.close()
    if dry_run:
        print_plan(work)


def _weights(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ParameterError(
            f"--weights expects numbers separated by commas, as 0.4,0.6; found {text!r}"
        ) from None


def _roles(texts: tuple[str, ...]) -> dict[str, str]:
    roles: dict[str, str] = {}
    for text in texts:
        role, equals, adapter = text.partition("=")
        if not equals or not role or not adapter:
            raise ParameterError(f"--role expects ROLE=ADAPTER; found {text!r}")
        if role in roles:
            raise ParameterError(f"--role {role} is given twice")
        roles[role] = adapter
    return roles


def _values(texts: tuple[str, ...]) -> dict[str, Any]:
    """``name=value``, or ``name.pattern=value`` for one pattern after the other."""
    from xlmerge.recipe.override_syntax import OverrideRefusedError, override_value, split_override

    values: dict[str, Any] = {}
    for text in texts:
        try:
            (name, *pattern), written = split_override(text)
            value = override_value(written, f"--with {name}")
        except OverrideRefusedError as error:
            raise ParameterError(
                f"--with {text}: {error.message}", hint="write NAME=VALUE, as --with t=0.5"
            ) from None
        if not pattern:
            if name in values:
                raise ParameterError(f"--with {name} is given twice")
            values[name] = value
            continue
        known = values.setdefault(name, {})
        if not isinstance(known, dict):
            raise ParameterError(f"--with {text}: `{name}` has one value already")
        known[".".join(pattern)] = value
    return values
