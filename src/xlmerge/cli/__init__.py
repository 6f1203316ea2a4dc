"""The command line. Each command lives in a module of its own, imported when it is called."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

import click

from xlmerge import __version__
from xlmerge.cli.blas import one_blas_thread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xlmerge.errors import XLMergeError

__all__ = ["cli", "main"]

# Name -> first line of its help: listing the commands imports none of them.
COMMANDS = {
    "run": "Carry out a recipe.",
    "check": "Check a recipe without carrying it out.",
    "merge": "Merge adapters without a recipe.",
    "inspect": "Tell what adapter folders hold.",
    "diff": "Compare two adapters: mergeable? how far apart?",
    "methods": "List merge methods, trainers, tasks and rules, or show one.",
    "plugins": "List the plugins, and which failed.",
    "schema": "Print the JSON Schema of recipes, for editors.",
    "demo": "Transfer to real languages, in minutes and without a network.",
}

INTERRUPTED = 130  # what shells give a program that Ctrl-C ended


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
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, "-V", "--version", prog_name="xlmerge")
@click.pass_context
def cli(context: click.Context) -> None:
    """Get the adapter nobody trained, this task in that language, by merging the ones you have.

    Works on the folders that `adapters` and PEFT save. Merging loads neither a base model nor
    torch; training and evaluating, in recipes, do.

    \b
    See all of it on real languages, without a network:
      xlmerge demo

    \b
    A first look, and a first merge:
      xlmerge inspect FOLDER
      xlmerge diff FOLDER OTHER
      xlmerge merge linear FOLDER OTHER --weights 0.5,0.5 -o OUT

    \b
    With a recipe:
      xlmerge check recipe.yaml
      xlmerge run recipe.yaml

    Results go to stdout, warnings and errors to stderr. Exit codes: 0 done; 2 the command line or
    the recipe cannot be carried out, be it that its adapters do not fit each other; 3 a plugin; 4
    an adapter that cannot be read; 5 a space; 6 a result without meaning; 7 an output that cannot
    be written; 8 the hub; 9 a composition; 10 data; 11 a base model; 12 a training that went
    wrong; 130 interrupted; 1 anything else.
    """
    context.with_resource(_warnings_on_stderr())
    context.with_resource(one_blas_thread())
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@contextlib.contextmanager
def _warnings_on_stderr() -> Iterator[None]:
    """What the library logs, one line each; the logger is left as it was found."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("warning: %(message)s"))
    logger = logging.getLogger("xlmerge")
    before = logger.handlers[:], logger.propagate
    logger.handlers[:], logger.propagate = [handler], False
    try:
        yield
    finally:
        logger.handlers[:], logger.propagate = before


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    Expected errors print one paragraph and exit with the code of their class; others keep their
    traceback.
    """
    sys.exit(_exit_code(None if arguments is None else list(arguments)))


def _exit_code(arguments: list[str] | None) -> int:
    """Run, tell what went wrong, and give the exit code."""
    from xlmerge.errors import RecipeError, XLMergeError

    for stream in (sys.stdout, sys.stderr):
        # A file name that the terminal cannot show is no reason to fail.
        if callable(reconfigure := getattr(stream, "reconfigure", None)):
            reconfigure(errors="backslashreplace")
    try:
        code = cli.main(args=arguments, prog_name="xlmerge", standalone_mode=False)
    except XLMergeError as error:
        if not _is_follower() or not isinstance(error, RecipeError):
            _tell(error)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"error: {where}{error.strerror or error}", err=True)
        _give_stdout_up()
        return 1
    return code if isinstance(code, int) else 0


def _give_stdout_up() -> None:
    """Python flushes what is left on exit; if that fails again, it exits with 120."""
    try:
        sys.stdout.flush()
    except OSError:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)


def _tell(error: XLMergeError) -> None:
    """An error in one paragraph; whoever asks for strict plugins also sees where theirs broke."""
    from xlmerge.errors import PluginLoadError

    strict = os.environ.get("XLMERGE_STRICT_PLUGINS", "").strip().lower() in {
        "1",
        "true",
        "yes",
        "on",
    }
    if strict and isinstance(error, PluginLoadError) and error.__cause__ is not None:
        import traceback

        click.echo("".join(traceback.format_exception(error.__cause__)), err=True, nl=False)
    who = f"process {os.environ['RANK']}: " if _is_follower() else ""
    click.echo(f"error: {who}{error}", err=True)


def _is_follower() -> bool:
    """Whether this is one of several processes, and not the one that speaks for all."""
    return os.environ.get("RANK", "0") not in {"", "0"}
