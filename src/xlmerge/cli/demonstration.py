"""The demonstration, carried out and told."""

from __future__ import annotations

import json
import os
from contextlib import closing, contextmanager
from textwrap import fill, indent
from typing import TYPE_CHECKING

import click

from xlmerge.cli.listening import EchoListener
from xlmerge.cli.progress import Progress
from xlmerge.demo.findings import findings
from xlmerge.demo.folder import base_is_made, make_base, make_files
from xlmerge.demo.recipe import TABLE, sections
from xlmerge.jobs import recipe_job
from xlmerge.plugin import discover
from xlmerge.runner import run_job

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xlmerge.demo.recipe import Section
    from xlmerge.demo.settings import Settings
    from xlmerge.runner import StepResult

__all__ = ["demonstrate"]

_WIDTH = 88


def demonstrate(folder: Path, settings: Settings, *, plan: bool, force: bool, quiet: bool) -> None:
    """Make what is not there yet, carry the recipe out, and say what came of it.

    Args:
        folder: Where everything goes.
        settings: Languages and lengths.
        plan: Stop before anything is trained.
        force: Make everything again.
        quiet: Print the last table and the findings only.

    Raises:
        XLMergeError: Something cannot be made or written.
    """
    with _one_thread():
        written = make_files(folder, settings, force=force)
        if not quiet:
            _tell_files(folder, settings, written=written)
        story = Story(sections(settings), quiet=quiet)
        if plan:
            story.tell_all()
            return
        _base(folder, settings, force=force, quiet=quiet)
        story.tell("")
        job = recipe_job(folder / "recipe.yaml", force=force)
        with closing(story):
            run_job(job, discover(), story)
    table = json.loads((job.folders[TABLE] / "table.json").read_text(encoding="utf-8"))
    click.echo(story.table)
    click.echo("What this shows:" if quiet else "\nWhat this shows:")
    for line in findings(table, settings.read):
        click.echo(_paragraph(f"- {line}", "  "))


class Story(EchoListener):
    """Tells a run with each step's piece of the recipe before its first instance.

    Args:
        pieces: The pieces of the recipe.
        quiet: Whether to print warnings only.
    """

    def __init__(self, pieces: list[Section], *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self._pieces = {piece.step: piece for piece in pieces}
        self._silent = quiet
        self.table = ""

    def tell(self, step: str) -> None:
        """A piece of the recipe and what it is for, once."""
        piece = self._pieces.pop(step, None)
        if piece is not None and not self._silent:
            click.echo(f"\n{_paragraph(piece.explanation)}\n")
            click.echo(indent(piece.yaml, "    "))

    def tell_all(self) -> None:
        """Every piece, one after the other."""
        for step in list(self._pieces):
            self.tell(step)

    def step_started(self, name: str, method: str) -> None:
        """Tell what comes, then open the bar."""
        self.tell(name.partition("/")[0])
        super().step_started(name, method)

    def step_finished(self, result: StepResult) -> None:
        """Tell the outcome; the last table is kept for the end."""
        family = result.name.partition("/")[0]
        self.tell(family)
        if family == TABLE:
            self.close()
            self.table = str(result.report["table_text"])
        else:
            super().step_finished(result)


def _tell_files(folder: Path, settings: Settings, *, written: bool) -> None:
    done = "Written" if written else "Found"
    click.echo(
        _paragraph(
            f"{done} in {folder}: phrases of real languages from Unicode CLDR. text/ has lists of "
            f"phrases without labels, data/ has phrases with their type. Labels are used in "
            f"{settings.languages[0]} for training, in {', '.join(settings.targets)} for testing "
            "only; what is tested on stands in no text. recipe.yaml is what is carried out now."
        )
    )


def _base(folder: Path, settings: Settings, *, force: bool, quiet: bool) -> None:
    if not force and base_is_made(folder, settings):
        if not quiet:
            click.echo(f"\nbase: up to date ({folder / 'base'})")
        return
    if quiet:
        make_base(folder, settings)
        return
    click.echo(
        "\n"
        + _paragraph(
            f"Pre-training a small XLM-R on the texts in {', '.join(settings.read)}: "
            f"{settings.base_steps:,} steps. A real one comes from the hub instead."
        )
    )
    with closing(Progress("base (pre-training)", lines=True)) as shown:

        def progress(done: int, total: int, loss: float) -> None:
            shown.note(f"loss {loss:.2f}")
            shown.update(done, total)

        loss = make_base(folder, settings, progress)
    click.echo(f"base: loss {loss:.2f} nats a masked token -> {folder / 'base'}")


def _paragraph(text: str, hanging: str = "") -> str:
    return fill(text, _WIDTH, subsequent_indent=hanging, break_on_hyphens=False)


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for torch, unless the user has said how many.

    Matrices of this size gain little from more, and lose much where other programs run. It holds
    if torch is not imported yet.
    """
    name = "OMP_NUM_THREADS"
    if name in os.environ:
        yield
        return
    os.environ[name] = "1"
    try:
        yield
    finally:
        os.environ.pop(name, None)
