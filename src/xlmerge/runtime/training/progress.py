"""How a training is doing: its log, its scores, and the best state so far."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from xlmerge.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from xlmerge.runtime.training.log import Log
    from xlmerge.runtime.training.options import FitOptions
    from xlmerge.runtime.training.work import Training

__all__ = ["Progress"]

_PREFIX = "validation_"


class Progress:
    """What is known of a training while it runs.

    Args:
        work: The training.
        options: How long and how often.
        inputs: Inputs of an epoch.
        log: Where lines go.
        scores: Scores on validation data at this moment; None without such data.
        talks: Whether this process reports progress.
        logged: Names of further numbers that steps give.
    """

    def __init__(
        self,
        work: Training,
        options: FitOptions,
        *,
        inputs: int,
        log: Log,
        scores: Callable[[], dict[str, float]] | None,
        talks: bool,
        logged: Sequence[str] = (),
    ) -> None:
        self._work, self._options, self._log = work, options, log
        self._scores, self._talks = scores, talks
        self._inputs = inputs
        self._logged = tuple(logged)
        self.total = options.total_steps(inputs)
        self._evaluations = options.evaluations(inputs) if scores is not None else frozenset()
        self._lines_every = options.between_lines(inputs)
        self._saves_every = options.between_checkpoints(inputs)
        self._start = time.monotonic()
        self._spent = 0.0
        self._losses: list[float] = []
        self._further: dict[str, list[float]] = {name: [] for name in logged}
        self._line: dict[str, Any] = {}
        self.before: dict[str, float] = {}
        self.best_step = 0
        self._best: dict[str, float] = {}
        self._since_best = 0

    # --- when -------------------------------------------------------------------------------

    def due_line(self, step: int) -> bool:
        """Whether a line of the log is due."""
        return step in {1, self.total} or step % self._lines_every == 0

    def due_scores(self, step: int) -> bool:
        """Whether scores are due."""
        return step in self._evaluations

    def due_checkpoint(self, step: int) -> bool:
        """Whether a checkpoint is due; at the end, too, for what comes after may be killed."""
        return step == self.total or step % self._saves_every == 0 or self.out_of_patience

    @property
    def out_of_patience(self) -> bool:
        """Whether training ends for want of better scores."""
        return 0 < self._options.patience <= self._since_best

    # --- what -------------------------------------------------------------------------------

    def start(self, remembered: Mapping[str, Any] | None) -> None:
        """Begin, or go on from what a checkpoint remembers."""
        if remembered is None:
            if self._scores is not None:
                self.before = self._scores()
            self._log.start(further=self._columns())
            return
        self._spent = remembered["seconds"]
        self.before, self._best = remembered["before"], remembered["best"]
        self._losses = list(remembered.get("losses", ()))
        self._further = {n: list(remembered.get("further", {}).get(n, ())) for n in self._logged}
        self._log.start(remembered["lines"], further=self._columns())
        self.best_step, self._since_best = remembered["best_step"], remembered["since_best"]

    def _columns(self) -> list[str]:
        """What the log has a column for, beside what every training logs."""
        return [*self._logged, *(_PREFIX + name for name in self.before)]

    def remembered(self) -> dict[str, Any]:
        """What a checkpoint keeps of this."""
        return {
            "lines": self._log.lines,
            "losses": self._losses,
            "further": self._further,
            "seconds": self.seconds,
            "before": self.before,
            "best": self._best,
            "best_step": self.best_step,
            "since_best": self._since_best,
        }

    @property
    def seconds(self) -> float:
        """Time spent so far, that of earlier runs included."""
        return self._spent + time.monotonic() - self._start

    def heard(
        self,
        losses: Sequence[float],
        *,
        learning_rate: float,
        grad_norm: float,
        further: Mapping[str, Sequence[float]],
    ) -> None:
        """Take in the losses of the last steps, and what else they log."""
        self._losses += losses
        for name, values in further.items():
            self._further[name] += values
        self._line = {"learning_rate": learning_rate, "grad_norm": grad_norm}

    def evaluate(self, step: int) -> bool:
        """Take scores; whether they are the best so far.

        Raises:
            TrainingError: They are not finite.
        """
        assert self._scores is not None  # noqa: S101 - for the type checker
        scores = self._scores()
        self._line.update({_PREFIX + name: value for name, value in scores.items()})
        metric = self.metric(scores)
        new, old = scores[metric], self._best.get(metric)
        if not math.isfinite(new):
            raise TrainingError(
                f"{self._work.name}: {metric} on the validation data is {new} at step {step}",
                hint="lower learning_rate, or look at the validation data",
            )
        if old is None or (new > old if self._work.greater_is_better else new < old):
            self._best, self.best_step, self._since_best = scores, step, 0
            return True
        self._since_best += 1
        return False

    def metric(self, scores: Mapping[str, float]) -> str:
        """The score that states are chosen by.

        Raises:
            TrainingError: The task has no such score.
        """
        name = self._work.metric or next(iter(scores))
        if name not in scores:
            raise TrainingError(
                f"{self._work.name}: the task has no score {name!r}; it has {', '.join(scores)}"
            )
        return name

    def write(self, step: int) -> None:
        """Write a line of the log, and say how it goes."""
        loss = sum(self._losses) / len(self._losses)
        epoch = round(step * self._options.batch_size / self._inputs, 4)
        means = {name: sum(found) / len(found) for name, found in self._further.items()}
        line = {"step": step, "epoch": epoch, "loss": loss, **self._line, **means}
        self._log.add({**line, "seconds": round(self.seconds, 3)})
        self._losses, self._further = [], {name: [] for name in self._logged}
        if self._talks:
            note = f"loss {loss:.3f}"
            if self._best:
                metric = self.metric(self._best)
                note += f", best {metric} {self._best[metric]:.2f}"
            self._work.progress(step, self.total, note)

    # --- at the end -------------------------------------------------------------------------

    def report(
        self, *, steps: int, numbers: int, inputs: float, mean_length: float
    ) -> dict[str, Any]:
        """What there is to say at the end.

        Args:
            steps: Steps made.
            numbers: How many numbers are trained.
            inputs: Inputs of a step.
            mean_length: Tokens of an input.
        """
        lines = self._log.lines
        tenth = max(1, len(lines) // 10)
        first = sum(line["loss"] for line in lines[:tenth]) / tenth
        last = sum(line["loss"] for line in lines[-tenth:]) / tenth
        rate = steps * inputs / max(self.seconds, 1e-9)
        report: dict[str, Any] = {
            "steps": steps,
            "planned_steps": self.total,
            "epochs": lines[-1]["epoch"],
            "seconds": round(self.seconds, 2),
            "inputs_per_second": round(rate, 1),
            "tokens_per_second": round(rate * mean_length),
            "loss_start": first,
            "loss_end": last,
            "trained_parameters": numbers,
        }
        summary = f"{steps} step{'' if steps == 1 else 's'}, loss {first:.3f} -> {last:.3f}"
        if self._best:
            metric = self.metric(self._best)
            report |= {
                "metric": metric,
                "validation_before": self.before,
                "validation_best": self._best,
                "best_step": self.best_step,
                "stopped_early": steps < self.total,
            }
            summary += (
                f", {metric} {self.before[metric]:.2f} -> {self._best[metric]:.2f} "
                f"(step {self.best_step})"
            )
        return {"summary": summary, **report}
