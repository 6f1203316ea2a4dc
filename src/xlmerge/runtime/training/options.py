"""How long and how hard a training goes."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from xlmerge.errors import ParameterError

__all__ = ["FitOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOptions:
    """The options that all trainers share; :mod:`xlmerge.plugin.fit_options` declares them.

    Attributes:
        steps: Optimizer steps; None where ``epochs`` says it.
        epochs: Passes over the data; None where ``steps`` says it.
        batch_size: Inputs a step, over all processes and accumulated parts together, so that the
            result does not depend on their number.
        gradient_accumulation: Parts that a process computes the inputs of a step in.
        learning_rate: Its peak.
        schedule: How the rate falls after the warmup.
        warmup: Share of the steps in which the rate rises from zero.
        weight_decay: Decoupled decay of AdamW; never on vectors.
        max_grad_norm: Gradients of a larger norm are scaled down to it; 0 for never.
        evaluate_every: Steps between evaluations; None for each epoch, or for ten times where
            ``steps`` is given.
        patience: Evaluations without a better score after which training ends; 0 for never.
        save_every: Steps between checkpoints; None for ten times, and at least every 500 steps.
        log_every: Steps between lines in the log; None for 200 lines, and at least every 50 steps.
        bf16: Whether the forward pass runs in bfloat16 where torch holds that safe (autocast).
        gradient_checkpointing: Whether layers are computed again in the backward pass.
        length_bucketing: Whether inputs of like length share a batch.
        tensorboard: Whether event files are written, too.
    """

    steps: int | None = None
    epochs: int | None = None
    batch_size: int = 16
    gradient_accumulation: int = 1
    learning_rate: float = 1e-4
    schedule: Literal["linear", "constant", "cosine"] = "linear"
    warmup: float = 0.0
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    evaluate_every: int | None = None
    patience: int = 0
    save_every: int | None = None
    log_every: int | None = None
    bf16: bool = False
    gradient_checkpointing: bool = False
    length_bucketing: bool = True
    tensorboard: bool = False

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.epochs is None):
            found = "both" if self.steps is not None else "neither"
            raise ParameterError(
                f"a training takes `steps` or `epochs`; found {found}", hint="give one of them"
            )

    def total_steps(self, inputs: int) -> int:
        """Optimizer steps for a number of inputs."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None  # noqa: S101 - for the type checker: one of both is given
        return max(1, math.ceil(self.epochs * inputs / self.batch_size))

    def evaluations(self, inputs: int) -> frozenset[int]:
        """Steps after which the state is evaluated; the last one always is."""
        total = self.total_steps(inputs)
        if self.evaluate_every is not None:
            at = set(range(self.evaluate_every, total, self.evaluate_every))
        elif self.epochs is not None:
            at = {math.ceil(e * inputs / self.batch_size) for e in range(1, self.epochs)}
        else:
            at = {math.ceil(total * tenth / 10) for tenth in range(1, 10)}
        return frozenset({step for step in at if 0 < step < total} | {total})

    def between_checkpoints(self, inputs: int) -> int:
        """Steps from one checkpoint to the next."""
        return self.save_every or min(500, math.ceil(self.total_steps(inputs) / 10))

    def between_lines(self, inputs: int) -> int:
        """Steps from one line of the log to the next."""
        return self.log_every or max(1, min(50, self.total_steps(inputs) // 200))

    def rate(self, step: int, total: int) -> float:
        """Share of the peak learning rate at a step, counted from 0; never zero before the end."""
        warm = round(self.warmup * total)
        if step < warm:
            return (step + 1) / (warm + 1)
        if self.schedule == "constant":
            return 1.0
        left = (total - step) / max(1, total - warm)
        return max(0.0, left if self.schedule == "linear" else (1 - math.cos(math.pi * left)) / 2)

    def settings(self) -> dict[str, Any]:
        """What a checkpoint has to agree in, for training to go on from it."""
        free = ("log_every", "save_every", "tensorboard")
        return {key: value for key, value in asdict(self).items() if key not in free}
