"""Help teaches: every command says what it does, shows an example, and explains its options."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

import xlmerge
from xlmerge.cli import COMMANDS, cli

if TYPE_CHECKING:
    from .conftest import CommandLine


def command(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(xl: CommandLine, name: str, flag: str) -> None:
    shown = xl(name, flag)
    assert shown.code == 0
    assert shown.out.startswith(f"Usage: xlmerge {name}")
    assert not shown.err


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"plugins"}))
def test_help_has_an_example(xl: CommandLine, name: str) -> None:
    assert f"\n    xlmerge {name}" in xl(name, "--help").out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name: str) -> None:
    options = [each for each in command(name).params if isinstance(each, click.Option)]
    assert all(each.help and each.help.endswith((".", "]")) for each in options)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_the_command_says(name: str) -> None:
    assert command(name).short_help == COMMANDS[name]


def test_no_arguments_show_the_help(xl: CommandLine) -> None:
    shown = xl()
    assert (shown.code, shown.err) == (0, "")
    assert shown.out == xl("--help").out
    assert all(name in shown.out for name in COMMANDS)


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_version(xl: CommandLine, flag: str) -> None:
    assert xl(flag).out == f"xlmerge, version {xlmerge.__version__}\n"


def test_the_help_of_a_subcommand(xl: CommandLine) -> None:
    assert "Usage: xlmerge methods show" in xl("methods", "show", "--help").out


@pytest.mark.parametrize(
    ("given", "meant"), [("cehck", "check"), ("Merge", "merge"), ("method", "methods")]
)
def test_an_unknown_command_gets_the_nearest_name(xl: CommandLine, given: str, meant: str) -> None:
    shown = xl(given)
    assert shown.code == 2
    assert f"Did you mean {meant!r}?" in shown.err


def test_a_command_that_is_like_none_gets_the_list(xl: CommandLine) -> None:
    shown = xl("frobnicate")
    assert shown.code == 2
    assert f"Commands: {', '.join(COMMANDS)}." in shown.err


def test_an_unknown_option_gets_the_nearest_name(xl: CommandLine) -> None:
    shown = xl("merge", "linear", "a", "--weight", "1", "-o", "out")
    assert shown.code == 2
    assert "--weights" in shown.err


@pytest.mark.parametrize("arguments", [("run",), ("merge", "linear"), ("diff", "a"), ("inspect",)])
def test_what_is_missing_is_named(xl: CommandLine, arguments: tuple[str, ...]) -> None:
    shown = xl(*arguments)
    assert shown.code == 2
    assert "Missing" in shown.err
    assert not shown.out


def test_the_group_is_a_plain_click_command() -> None:
    """For tools that take click's commands apart (documentation, completion)."""
    assert CliRunner().invoke(cli, ["schema"]).exit_code == 0
