"""How a run is told: one line a step, a bar on a terminal, warnings on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from xlmerge.cli.blas import give_blas_back
from xlmerge.cli.progress import Progress
from xlmerge.runner import Listener
from xlmerge.runner.ranks import is_first

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlmerge.runner import StepResult

__all__ = ["EchoListener", "measured_lines", "outcome_lines"]


class EchoListener(Listener):
    """Prints what happens; of several processes only the first one does.

    Args:
        quiet: Whether to print warnings and errors only.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._follows = not is_first()
        self._quiet = quiet or self._follows
        self._live = False
        self._shown: Progress | None = None

    def warning(self, text: str) -> None:
        """On stderr, so that stdout stays for results."""
        if not self._follows:
            click.echo(f"warning: {text}", err=True)

    def model_starts(self) -> None:
        """Let torch have as many threads as it likes."""
        give_blas_back()
        self._live = True

    def step_started(self, name: str, method: str) -> None:
        """Open a bar."""
        if not self._quiet:
            self._shown = Progress(f"{name} ({method})", lines=self._live)
        self._live = False

    def note(self, name: str, text: str) -> None:
        """Beside the bar."""
        del name
        if self._shown is not None:
            self._shown.note(text)

    def progress(self, name: str, done: int, total: int) -> None:
        """Move the bar."""
        del name
        if self._shown is not None:
            self._shown.update(done, total)

    def step_finished(self, result: StepResult) -> None:
        """Close the bar, tell the outcome and what was measured."""
        self.close()
        if self._quiet:
            return
        for line in outcome_lines(result):
            click.echo(line)

    def close(self) -> None:
        """Remove the bar, also after an error."""
        if self._shown is not None:
            self._shown.close()
            self._shown = None


def outcome_lines(result: StepResult) -> list[str]:
    """What became of a step, and what was measured; the whole table of an evaluation."""
    report = result.report
    table = [str(report["table_text"])] if report.get("table_text") else []
    if result.status == "up to date":
        return [f"{result.name}: up to date ({result.folder})", *table]
    if result.status == "merged":
        done = f"merged {report['parameters']} parameters in {result.seconds:.2f} s"
    else:
        done = f"{result.status} in {_duration(result.seconds)}"
    lines = [f"{result.name}: {done} -> {result.folder}"]
    if result.status == "merged":
        return lines + [f"  {line}" for line in measured_lines(report)]
    summary = [f"  {line}" for line in str(report.get("summary") or "").splitlines()]
    return lines + summary + table


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


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
