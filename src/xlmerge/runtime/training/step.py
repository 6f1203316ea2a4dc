"""Steps that compute their gradients themselves, for trainers whose update is more than one loss.

>>> def gradients(batches, moment):
...     loss = ...  # of batches["source"], batches["meta"], ...
...     for parameter, gradient in ...:
...         parameter.grad = gradient  # of means over all inputs of all processes
...     return {"loss": loss.detach()}
>>> fit(work, parameters, options, step=Step(gradients=gradients, draws={...}))  # doctest: +SKIP
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from xlmerge.errors import ParameterError, TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    import torch
    from torch import nn

    from xlmerge.runtime.protocol import Batch

    Drawn: TypeAlias = Mapping[str, Sequence[Batch]]
    """Draw by name to its inputs, in as many batches as a process computes a step in."""

__all__ = ["Draw", "Group", "Moment", "Step", "Updates"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What each step takes of a role.

    Attributes:
        role: The role.
        batch_size: Inputs that a step takes of the role, over all processes; the same in all
            draws of one role.
        part: Which of them this draw is: every ``parts``-th from this one on.
        parts: How many draws share them.
    """

    role: str
    batch_size: int
    part: int = 0
    parts: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.part < self.parts <= self.batch_size:
            raise ParameterError(
                f"a draw of {self.batch_size} inputs for `{self.role}` has no part {self.part} of "
                f"{self.parts}",
                hint="raise the batch size",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Parameters with a rate of their own; the schedule is that of all.

    Attributes:
        names: Their names in the model.
        learning_rate: Its peak.
        weight_decay: Decoupled decay, of vectors too.
        clipped: Whether they count, and are cut, where gradients are cut to a norm.
    """

    names: frozenset[str]
    learning_rate: float
    weight_decay: float = 0.0
    clipped: bool = False


class Updates:
    """Updates of some parameters before the others.

    Args:
        parameters: All that is trained.
        optimizer: Their optimizer.

    Attributes:
        done: Identities of the parameters that were updated.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], optimizer: torch.optim.Optimizer
    ) -> None:
        self._all = list(parameters)
        self._optimizer = optimizer
        self.done: set[int] = set()

    def __call__(self, parameters: Iterable[nn.Parameter]) -> None:
        """Update some by their gradients, which are gone afterwards."""
        chosen = {id(parameter) for parameter in parameters}
        others = [p for p in self._all if id(p) not in chosen]
        held = [p.grad for p in others]
        for p in others:
            p.grad = None  # what has no gradient is neither updated nor counted as if it were
        self._optimizer.step()
        for p, gradient in zip(others, held, strict=True):
            p.grad = gradient
        for p in self._all:
            if id(p) in chosen:
                p.grad = None
        self.done |= chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Where the loop is.

    Attributes:
        step: The step that is computed, from 0.
        learning_rate: What parameters without a group of their own are updated with.
        optimizer: The optimizer, whose state may be read.
        update: Updates some parameters by their gradients now, before the others.
    """

    step: int
    learning_rate: float
    optimizer: torch.optim.Optimizer
    update: Callable[[Iterable[nn.Parameter]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of its own.

    Attributes:
        gradients: Sets ``grad`` of what is trained, equal in all processes, and gives ``loss`` and
            further numbers to log, equal in all processes too.
        draws: What each step takes; epochs are counted on the first.
        groups: Parameters with rates of their own.
        logged: Names of the further numbers.
        settings: What a checkpoint has to agree in, beside the shared options.
        may_stay: Names of parameters that may end as they began: those of what few inputs reach.
    """

    gradients: Callable[[Drawn, Moment], Mapping[str, torch.Tensor]]
    draws: Mapping[str, Draw]
    groups: tuple[Group, ...] = ()
    logged: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    may_stay: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not self.draws:
            raise ParameterError(
                "a step draws nothing", hint="epochs are counted on its first draw"
            )
        sizes: dict[str, int] = {}
        for draw in self.draws.values():
            if sizes.setdefault(draw.role, draw.batch_size) != draw.batch_size:
                raise ParameterError(f"draws of `{draw.role}` take different batch sizes")

    def remembered(self) -> dict[str, Any]:
        """What a checkpoint has to agree in."""
        return {
            "settings": dict(self.settings),
            "draws": {name: asdict(draw) for name, draw in self.draws.items()},
            "groups": [{**asdict(g), "names": sorted(g.names)} for g in self.groups],
        }

    def check_groups(self, parameters: Collection[str]) -> None:
        """Each group names what is trained, and no two the same.

        Args:
            parameters: Names of what is trained.

        Raises:
            ParameterError: A name is another's, or comes twice.
        """
        seen: set[str] = set()
        for group in self.groups:
            for name in sorted(group.names):
                if name not in parameters or name in seen:
                    what = "comes in two groups" if name in seen else "is not trained"
                    raise ParameterError(f"a group names `{name}`, which {what}")
            seen |= group.names

    def check_values(self, values: Collection[str]) -> None:
        """What the gradients' function gives is the loss and what it promised.

        Raises:
            TrainingError: It is not.
        """
        if set(values) != {"loss", *self.logged}:
            raise TrainingError(
                f"the step gives {', '.join(values) or 'nothing'}; it was to give "
                f"{', '.join(('loss', *self.logged))}"
            )
