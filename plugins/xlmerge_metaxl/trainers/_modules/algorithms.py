"""Ways to a hypergradient in a model: each takes the source gradient first, then goes along it."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, Protocol

import torch

from xlmerge.errors import ModelError
from xlmerge_metaxl._modules import hypergradient
from xlmerge_metaxl._modules.randomness import Randomness
from xlmerge_metaxl._modules.splitting import Border

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import nn

    from xlmerge.runtime import Batch
    from xlmerge_metaxl.trainers._modules.losses import Losses

__all__ = ["ALGORITHMS", "Algorithm", "Sums", "added", "sums"]

_SAFE = (
    "`attention: eager` has second derivatives, and so has `algorithm: split_difference` with any "
    "attention where the networks sit after the last layer"
)


class Algorithm(Protocol):
    """What the step asks for; the same object for all steps of a training."""

    def source(self, batches: Sequence[Batch]) -> Sums:
        """Loss and gradients of source rows, and whatever :meth:`along` needs of them."""

    def along(self, direction: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """``-grad_phi < sum of grad_theta L_S, w >`` over the rows of the last :meth:`source`.

        Args:
            direction: ``w``, by the order of the main parameters.
        """


class Sums:
    """Sums over inputs: of gradients, losses, and of how many items.

    Attributes:
        gradients: In the order of the parameters; zeros where one takes no part.
        loss: Sum of the losses.
        items: How many.
    """

    def __init__(self, gradients: Sequence[torch.Tensor], loss: torch.Tensor, items: Any) -> None:
        self.gradients = list(gradients)
        self.loss = loss
        self.items = torch.as_tensor(items, device=loss.device, dtype=loss.dtype)

    def __add__(self, other: Sums) -> Sums:
        pairs = zip(self.gradients, other.gradients, strict=True)
        return Sums([a + b for a, b in pairs], self.loss + other.loss, self.items + other.items)


def sums(
    of: tuple[torch.Tensor, Any], parameters: Sequence[torch.Tensor], *, graph: bool = False
) -> tuple[Sums, Sequence[torch.Tensor | None]]:
    """Gradients of one batch, and the same with their graph if it is kept.

    Args:
        of: Sum of its losses, and of how many items.
        parameters: To differentiate by.
        graph: Whether the graph is kept.
    """
    loss, items = of
    found = torch.autograd.grad(loss, parameters, create_graph=graph, allow_unused=True)
    plain = [
        torch.zeros_like(p) if g is None else g.detach()
        for p, g in zip(parameters, found, strict=True)
    ]
    return Sums(plain, loss.detach(), items), found


def added(parts: Iterable[Sums]) -> Sums:
    """The sum of some sums, of one at least."""
    return reduce(add, parts)


class _Base:
    """Losses and the parameters to differentiate by; the source gradient, batch by batch.

    Args:
        losses: Of the training.
        theta: Main parameters by names in the model.
        phi: Those of the networks.
        places: Where networks sit.
    """

    def __init__(
        self,
        losses: Losses,
        theta: Mapping[str, nn.Parameter],
        phi: Mapping[str, nn.Parameter],
        places: Sequence[int],
    ) -> None:
        self._losses = losses
        self._theta, self._phi = dict(theta), dict(phi)
        self._main, self._networks = list(theta.values()), list(phi.values())
        self._place = min(places)

    def source(self, batches: Sequence[Batch]) -> Sums:
        """See :class:`Algorithm`."""
        self._seen: list[Any] = []
        return added(self._first(batch, alone=len(batches) == 1) for batch in batches)

    def _first(self, batch: Batch, *, alone: bool) -> Sums:
        """Sums of one batch, of which :attr:`_seen` keeps what :meth:`along` needs.

        Args:
            batch: Inputs.
            alone: Whether the step has no other.
        """
        raise NotImplementedError

    def _total(self, found: Sequence[list[torch.Tensor]]) -> list[torch.Tensor]:
        return [torch.stack(pieces).sum(0) for pieces in zip(*found, strict=True)]


class DoubleBackward(_Base):
    """Reverse over reverse. A step in several parts computes the source gradient once more."""

    def _first(self, batch: Batch, *, alone: bool) -> Sums:
        self._seen.append((batch, Randomness(self._main[0].device)))
        found, graph = sums(self._losses(batch, source=True), self._main, graph=alone)
        self._graph = graph if alone else None
        return found

    def along(self, direction: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """See :class:`Algorithm`."""
        if self._graph is not None:
            graph, self._graph = self._graph, None
            return self._contract(graph, direction)
        found = []
        for batch, randomness in self._seen:
            with randomness.again():
                _, again = sums(self._losses(batch, source=True), self._main, graph=True)
            found.append(self._contract(again, direction))
        return self._total(found)

    def _contract(
        self, graph: Sequence[torch.Tensor | None], direction: Sequence[torch.Tensor]
    ) -> list[torch.Tensor]:
        try:
            return hypergradient.contract(graph, direction, self._networks)
        except (RuntimeError, NotImplementedError) as error:
            raise _no_second_derivative(error) from error


class ForwardOverReverse(_Base):
    """Forward mode over reverse mode, for networks at any layer with little memory."""

    def _first(self, batch: Batch, *, alone: bool) -> Sums:
        del alone
        self._seen.append((batch, Randomness(self._main[0].device)))
        found, _ = sums(self._losses(batch, source=True), self._main)
        return found

    def along(self, direction: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """See :class:`Algorithm`."""
        share, self._losses.share = self._losses.share, None
        names, found = dict(zip(self._theta, direction, strict=True)), []
        phi = {name: p.detach() for name, p in self._phi.items()}
        try:
            for batch, randomness in self._seen:

                def loss(main: Any, networks: Any, batch: Batch = batch) -> torch.Tensor:
                    value, _ = self._losses.at({**main, **networks}, batch, source=True)
                    return value

                with randomness.again():
                    made = hypergradient.forward_over_reverse(loss, self._theta, phi, names)
                found.append(list(made.values()))
        except (RuntimeError, NotImplementedError) as error:
            raise _no_second_derivative(error) from error
        finally:
            self._losses.share = share
        return self._total(found)


class SplitDifference(_Base):
    """The model in two at the lowest network; the bottom by a central difference.

    Attributes:
        error: Of the difference, estimated at the first step: how far it moves, relative to its
            norm, when the step is twice as large. None before.
    """

    error: float | None = None

    def _first(self, batch: Batch, *, alone: bool) -> Sums:
        del alone
        border = Border(self._losses.model, self._place)
        with border.recorded():
            loss = self._losses(batch, source=True)
        self._seen.append((batch, border))
        found, _ = sums(loss, self._main)
        return found

    def along(self, direction: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """See :class:`Algorithm`."""
        share, self._losses.share = self._losses.share, None
        try:
            return self._total([self._one(*seen, along=direction) for seen in self._seen])
        except (RuntimeError, NotImplementedError) as error:
            raise _no_second_derivative(error) from error
        finally:
            self._losses.share, self._seen = share, []

    def _one(
        self, batch: Batch, border: Border, *, along: Sequence[torch.Tensor]
    ) -> list[torch.Tensor]:
        def bottom(main: Mapping[str, torch.Tensor]) -> torch.Tensor:
            return border.below(lambda: self._losses.at(main, batch, source=False))

        def top(states: torch.Tensor) -> torch.Tensor:
            with border.given(states):
                loss, _ = self._losses(batch, source=True)
            return loss

        moved = self._along(bottom, dict(zip(self._theta, along, strict=True)))
        states = border.states
        assert states is not None, "nothing was recorded"  # noqa: S101
        return hypergradient.split(top, states, moved, self._main, along, self._networks)

    def _along(self, bottom: Any, direction: Mapping[str, torch.Tensor]) -> torch.Tensor:
        size = hypergradient.step_size(self._main[0].dtype)
        found = hypergradient.difference(bottom, self._theta, direction, size)
        if self.error is None:
            other = hypergradient.difference(bottom, self._theta, direction, 2 * size)
            self.error = float((other - found).norm() / found.norm().clamp(min=1e-30))
        return found


class SplitForward(SplitDifference):
    """The model in two at the lowest network; the bottom in forward mode. Exact."""

    def _along(self, bottom: Any, direction: Mapping[str, torch.Tensor]) -> torch.Tensor:
        main = {name: p.detach() for name, p in self._theta.items()}
        with torch.no_grad():
            _, along = torch.func.jvp(bottom, (main,), (dict(direction),))
        found: torch.Tensor = along
        return found


ALGORITHMS: Mapping[str, type[DoubleBackward | ForwardOverReverse | SplitDifference]] = {
    "double_backward": DoubleBackward,
    "forward_over_reverse": ForwardOverReverse,
    "split_difference": SplitDifference,
    "split_forward": SplitForward,
}


def _no_second_derivative(error: Exception) -> ModelError:
    """What torch says where a kernel has no second derivative or no forward mode, and a way out."""
    reason = " ".join(str(error).split())
    return ModelError(f"the hypergradient cannot be computed: {reason[:300]}", hint=_SAFE)
