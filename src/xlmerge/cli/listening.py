"""How a run is told: one line a step, a bar on a terminal, warnings on stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from xlmerge.runner import Listener

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlmerge.runner import StepResult

__all__ = ["EchoListener", "measured_lines"]


class EchoListener(Listener):
    """Prints what happens; progress only where a person looks."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bar: Any = None
        self._task: Any = None

    def warning(self, text: str) -> None:
        """On stderr, so that stdout stays for results."""
        click.echo(f"warning: {text}", err=True)

    def step_started(self, name: str, method: str) -> None:
        """Open a bar."""
        if self._quiet or not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(f"{name} ({method})", total=None)
        self._bar.start()

    def progress(self, name: str, done: int, total: int) -> None:
        """Move the bar."""
        del name
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total)

    def step_finished(self, result: StepResult) -> None:
        """Close the bar, tell the outcome and what was measured."""
        self.close()
        if self._quiet:
            return
        if result.status == "up to date":
            click.echo(f"{result.name}: up to date ({result.folder})")
            return
        count = result.report["parameters"]
        click.echo(
            f"{result.name}: merged {count} parameters in {result.seconds:.2f} s -> {result.folder}"
        )
        for line in measured_lines(result.report):
            click.echo(f"  {line}")

    def close(self) -> None:
        """Remove the bar, also after an error."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


_WORDS = {
    "discarded": "discarded by the lower rank (relative error)",
    "rank": "rank",
    "clipped": "entries drawn towards ratio 1",
    "sign_flipped": "entries that changed sign",
    "largest_ratio": "largest ratio",
    "condition_number": "condition number",
    "effective_rank": "effective rank",
}
_COUNTS = {"clipped", "sign_flipped"}


def measured_lines(report: Mapping[str, Any]) -> list[str]:
    """What was measured, a line a fact."""
    lines = []
    for fact, values in report["measured"].items():
        words = _WORDS.get(fact, fact.replace("_", " "))
        if fact in _COUNTS:
            lines.append(f"{words}: {values['sum']:.0f}")
        elif values["least"] == values["most"]:
            lines.append(f"{words}: {values['most']:.4g}")
        else:
            lines.append(
                f"{words}: {values['least']:.4g} to {values['most']:.4g}, mean {values['mean']:.4g}"
            )
    return lines
