"""What the demonstration is made of."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SOURCE", "Settings"]

SOURCE = "cs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Languages, sizes and lengths; the defaults fit into three minutes on two cores.

    Attributes:
        read: Languages that the base model is pre-trained on; the source is one of them.
        targets: Languages that nobody labelled anything in.
        seed: Of the base model and the language adapters; the first of the task adapters.
        repetitions: How many task adapters are trained.
        lines: Lines of unlabelled text in each language.
        train_per_kind: Labelled phrases of each type in the source language.
        test_per_kind: Test phrases of each type.
        base_steps: Steps of pre-training.
        language_steps: Steps of a language adapter.
        task_steps: Steps of the task adapter.
    """

    read: tuple[str, ...] = ("cs", "sk", "pl", "sl", "hr")
    targets: tuple[str, ...] = ("hsb", "dsb")
    seed: int = 0
    repetitions: int = 3
    lines: int = 3000
    train_per_kind: int = 60
    test_per_kind: int = 48
    base_steps: int = 1200
    language_steps: int = 250
    task_steps: int = 150

    @property
    def languages(self) -> tuple[str, ...]:
        """Source and targets: those with a language adapter."""
        return (SOURCE, *self.targets)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the task adapters."""
        return tuple(range(self.seed, self.seed + self.repetitions))
