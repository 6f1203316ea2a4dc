"""``xlmerge merge``."""

from __future__ import annotations

from pathlib import Path

import click

from xlmerge.cli.methods_command import complete_method


@click.command("merge", short_help="Merge adapters without a recipe.")
@click.argument("method", shell_complete=complete_method)
@click.argument("adapters", nargs=-1, metavar="[ADAPTER]...")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder to write."
)
@click.option(
    "--weights",
    metavar="W,W,...",
    help="One for each ADAPTER, in their order; nothing is normalised. A weight may be a mapping: "
    "'{default: 0.4, invertible: 0.5}, 0.6'.",
)
@click.option(
    "--role",
    "roles",
    multiple=True,
    metavar="ROLE=ADAPTER",
    help="An adapter in a named role. May be repeated.",
)
@click.option(
    "--with",
    "values",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter: t=0.5, 't={layers.0-5: 0.2, default: 1}', or t.layers.0-5=0.2 and "
    "t.default=1. May be repeated.",
)
@click.option(
    "--heads",
    metavar="drop|mean|'from NAME'",
    help="What becomes of prediction heads; NAME is the last part of an ADAPTER's path.  "
    "[default: one head is kept, of several you are asked]",
)
@click.option(
    "--base-model", metavar="NAME", help="The base model all adapters must have been trained on."
)
@click.option(
    "--base-model-alias",
    "aliases",
    multiple=True,
    metavar="NAME",
    help="Another name of that model. May be repeated.",
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16", "bfloat16", "float64"]),
    help="Precision of the result.  [default: that of the inputs]",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["safetensors", "bin"]),
    help="File format of the result.  [default: that of the first input]",
)
@click.option("--dry-run", is_flag=True, help="Check, print the plan, and stop.")
@click.option("--force", is_flag=True, help="Merge again, and replace what is at OUTPUT.")
@click.option("-q", "--quiet", is_flag=True, help="Print warnings and errors only.")
def command(
    method: str,
    adapters: tuple[str, ...],
    output: Path,
    weights: str | None,
    roles: tuple[str, ...],
    values: tuple[str, ...],
    heads: str | None,
    base_model: str | None,
    aliases: tuple[str, ...],
    dtype: str | None,
    format_: str | None,
    dry_run: bool,
    force: bool,
    quiet: bool,
) -> None:
    """Merge adapters by METHOD (see `xlmerge methods`). An ADAPTER is a folder or a hub id.

    \b
    Examples:
      xlmerge merge linear en id --weights 0.4,0.6 -o bridge
      xlmerge merge slerp en id --with t=0.3 -o bridge
      xlmerge merge ties senti emot --with density=0.3 --with rank=16 --heads 'from senti' -o both
      xlmerge merge adamergex --role task_in_source=senti-id --role reference_in_source=emot-id \\
              --role reference_in_target=emot-jv --with t=0.5 -o senti-jv
    """
    from xlmerge.cli.arguments import as_options, read_roles, read_values, read_weights
    from xlmerge.cli.carrying_out import carry_out
    from xlmerge.jobs import merge_job

    with as_options():
        job = merge_job(
            method,
            list(adapters),
            output=output,
            roles=read_roles(roles),
            weights=read_weights(weights),
            parameters=read_values(values),
            heads=heads,
            dtype=dtype,
            format=format_,
            base_model=base_model,
            base_model_aliases=aliases,
            force=force,
        )
        carry_out(job, dry_run=dry_run, quiet=quiet)
