"""What is trained, and proof that nothing else was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import torch

from xlmerge.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from torch import nn

__all__ = ["Trained"]

_FEW_STEPS = 3
_SAMPLED = 16


class Trained:
    """The parameters that a training changes; all others are frozen while it is entered.

    Attributes:
        parameters: What is trained, by names in the model.
        frozen: What is not.

    Args:
        model: The model.
        parameters: Those to train, by their names in the model.

    Raises:
        TrainingError: There are none, or one is not the model's.
    """

    def __init__(self, model: nn.Module, parameters: Mapping[str, nn.Parameter]) -> None:
        found = dict(model.named_parameters())
        strange = [name for name, p in parameters.items() if found.get(name) is not p]
        if strange or not parameters:
            what = f"not of the model: {', '.join(strange[:3])}" if strange else "none"
            raise TrainingError(f"the parameters to train are wrong: {what}")
        self._model = model
        self.parameters = dict(parameters)
        chosen = {id(parameter) for parameter in parameters.values()}
        self.frozen = {name: p for name, p in found.items() if id(p) not in chosen}
        self._before: dict[str, torch.Tensor] = {}
        self._marks: dict[str, tuple[int, int]] = {}
        self._sums: dict[str, float] = {}

    @property
    def size(self) -> int:
        """How many numbers are trained."""
        return sum(parameter.numel() for parameter in self.parameters.values())

    def __enter__(self) -> Self:
        for parameter in self.frozen.values():
            parameter.requires_grad_(requires_grad=False)
            parameter.grad = None
        for parameter in self.parameters.values():
            parameter.requires_grad_(requires_grad=True)
            parameter.grad = None
        return self

    def __exit__(self, *_: object) -> None:
        for parameter in self.parameters.values():
            parameter.requires_grad_(requires_grad=False)
            parameter.grad = None

    def remember(self) -> None:
        """Take down how everything is; called when the model lies where it is trained."""
        self._before = {name: p.detach().clone() for name, p in self.parameters.items()}
        self._sums = {name: _sum(self.frozen[name]) for name in self._sample()}

    def check_gradients(self, updated: Collection[int] = ()) -> None:
        """After the first backward pass: gradients are where they should be, and nowhere else.

        Takes down where the frozen parameters lie, too, and how often they were written to: torch
        counts that, so it costs nothing. Not earlier, since processes that train together move them
        when they join.

        Args:
            updated: Identities of parameters that were updated already, so that their gradients
                are gone.

        Raises:
            TrainingError: They are not.
        """
        without = [
            name for name, p in self.parameters.items() if p.grad is None and id(p) not in updated
        ]
        if without:
            raise TrainingError(
                f"{len(without)} of {len(self.parameters)} parameters got no gradient: "
                f"{_named(without)}; they do not take part in the loss",
                hint="is the adapter active, and of a kind that the composition runs?",
            )
        strange = [name for name, p in self.frozen.items() if p.grad is not None]
        if strange:
            raise TrainingError(f"frozen parameters got gradients: {_named(strange)}")
        self._marks = {name: (p.data_ptr(), p._version) for name, p in self.frozen.items()}  # noqa: SLF001

    def check_changes(self, steps: int, may_stay: Collection[str] = ()) -> None:
        """At the end: everything trained has changed, and nothing else.

        Args:
            steps: How many were made. Half of a LoRA only moves from the second on.
            may_stay: Names of trained parameters that need not have changed.

        Raises:
            TrainingError: It has not.
        """
        same = [n for n, p in self.parameters.items() if torch.equal(p.detach(), self._before[n])]
        stuck = not set(same) <= set(may_stay)
        if (stuck and steps > _FEW_STEPS) or len(same) == len(self.parameters):
            raise TrainingError(
                f"{len(same)} of {len(self.parameters)} parameters are as they were before "
                f"training: {_named(same)}",
                hint="train longer, or raise learning_rate",
            )
        strange = [
            name
            for name, mark in self._marks.items()
            if (self.frozen[name].data_ptr(), self.frozen[name]._version) != mark  # noqa: SLF001
        ]
        # Sums of some see what was written past the count.
        strange += [name for name, total in self._sums.items() if _sum(self.frozen[name]) != total]
        if strange:
            raise TrainingError(f"training changed what is frozen: {_named(strange)}")

    def tensors(self) -> dict[str, torch.Tensor]:
        """The trained parameters, detached, where they are."""
        return {name: parameter.detach() for name, parameter in self.parameters.items()}

    def load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Set the trained parameters to saved ones.

        Raises:
            TrainingError: They are those of another adapter.
        """
        shapes = {name: tuple(p.shape) for name, p in self.parameters.items()}
        if {name: tuple(tensor.shape) for name, tensor in tensors.items()} != shapes:
            raise TrainingError("a saved state is of another adapter than the one in training")
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(tensors[name])

    def shapes(self) -> dict[str, Any]:
        """Shape of each, for a checkpoint to agree in."""
        return {name: list(parameter.shape) for name, parameter in self.parameters.items()}

    def _sample(self) -> list[str]:
        """Some of the frozen ones, from the whole depth of the model."""
        names = list(self.frozen)
        return names[:: max(1, len(names) // _SAMPLED)]


def _sum(parameter: torch.Tensor) -> float:
    return float(parameter.detach().to("cpu", torch.float64).sum())


def _named(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if names[3:] else "")
