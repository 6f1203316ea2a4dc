"""How far a step is: a bar where a person looks, a line now and then where none does."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

__all__ = ["Progress"]

_EVERY = 30.0  # seconds
_SHARE = 0.1
_LEAST = 5.0  # seconds; whoever is done sooner needs no lines
_LOOKING_BACK = 600.0  # seconds; a step, or a validation between two, may take more than rich's 30


class Progress:
    """The progress of one step, on stderr.

    Args:
        title: The step, and what is done.
        lines: Whether to print lines where there is no terminal (for steps that may take hours).
    """

    def __init__(self, title: str, *, lines: bool) -> None:
        self._title = title
        self._lines = lines and not sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None
        self._note = ""
        self._told = time.monotonic()
        self._first: tuple[float, int] | None = None
        self._share = 0.0
        if sys.stderr.isatty():
            self._open()

    def note(self, text: str) -> None:
        """Something short beside the bar, such as the loss."""
        self._note = text

    def update(self, done: int, total: int) -> None:
        """Tell how much is done."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, note=self._note)
        elif self._lines:
            self._line(done, total)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.fields[note]}", markup=False),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            speed_estimate_period=_LOOKING_BACK,
        )
        self._task = self._bar.add_task(self._title, total=None, note="")
        self._bar.start()

    def _line(self, done: int, total: int) -> None:
        """A line after every tenth of the work or half a minute, whichever comes first."""
        now = time.monotonic()
        if done > 0 and self._first is None:
            # What comes before the first step, such as a model that is loaded, comes once; and
            # steps that an earlier run did took none of this one's time.
            self._first = now, done
        if not 0 < done < total or now - self._told < _LEAST:
            return
        share = done / total
        if now - self._told < _EVERY and share - self._share < _SHARE:
            return
        self._told, self._share = now, share
        note = f", {self._note}" if self._note else ""
        left = self._left(now, done, total)
        click.echo(f"{self._title}: {done}/{total}{note}{left}", err=True)

    def _left(self, now: float, done: int, total: int) -> str:
        """The time left, as a clause; empty before there is anything to tell it by."""
        if self._first is None or done <= self._first[1]:
            return ""
        started, before = self._first
        return f", {_duration((now - started) * (total - done) / (done - before))} left"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
