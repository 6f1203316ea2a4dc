"""The command line. Each command lives in a module of its own, imported when it is called."""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import click

from xlmerge import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["cli", "main"]

# Name -> first line of its help: listing the commands imports none of them.
COMMANDS = {
    "run": "Carry out a recipe.",
    "check": "Check a recipe without merging.",
    "merge": "Merge adapters without a recipe.",
    "inspect": "Tell what an adapter folder holds.",
    "diff": "Compare two adapters: can they be merged, and how far apart are they?",
    "methods": "List the merge methods, or show one.",
    "plugins": "List the plugins, what they provide, and which failed.",
    "schema": "Print the JSON Schema of recipes, for editors.",
}


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"xlmerge.cli.{cmd_name}_command").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from difflib import get_close_matches

        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            close = get_close_matches(name, COMMANDS, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else f" Commands: {', '.join(COMMANDS)}."
            ctx.fail(f"No such command {name!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: xlmerge inspect FOLDER, then "
    "xlmerge merge linear A B --weights 0.5,0.5 -o OUT.",
)
@click.version_option(__version__, "-V", "--version", prog_name="xlmerge")
def cli() -> None:
    """Get the adapter nobody trained, this task in that language, by merging the ones you have.

    Works on the folders that `adapters` and PEFT save; loads neither a base model nor torch.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("warning: %(message)s"))
    logger = logging.getLogger("xlmerge")
    logger.handlers[:] = [handler]
    logger.propagate = False


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Expected errors print one paragraph and exit with the code of their class; others keep their
    traceback.
    """
    from xlmerge.errors import XLMergeError

    try:
        cli.main(args=None if arguments is None else list(arguments), prog_name="xlmerge")
    except XLMergeError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
