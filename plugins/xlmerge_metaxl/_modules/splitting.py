"""A model in two: below the lowest network, and from there to the loss."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from xlmerge_metaxl._modules.attaching import at_places
from xlmerge_metaxl._modules.randomness import Randomness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch

__all__ = ["Border"]


class _ReachedError(Exception):
    """The run is stopped here: what comes after is not asked for."""


class Border:
    """Hidden states between two layers, as one run had them there.

    Args:
        model: A model of the adapters library.
        place: After how many layers.

    Attributes:
        states: The states ``[rows, tokens, d]``, without a graph.
    """

    def __init__(self, model: Any, place: int) -> None:
        self._model, self._place = model, place
        self.states: torch.Tensor | None = None
        self._start: Randomness | None = None
        self._there: Randomness | None = None

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Take down states and random states of the run that follows."""
        device = self._model.device
        self._start = Randomness(device)

        def take(states: torch.Tensor) -> torch.Tensor:
            self.states, self._there = states.detach(), Randomness(device)
            return states

        with at_places(self._model, {self._place: take}):
            yield

    def below(self, run: Callable[[], Any]) -> torch.Tensor:
        """The states of the same run, with the same dropout; parameters may be others.

        Args:
            run: The whole run, which is stopped when it has come this far.
        """
        assert self._start is not None, "nothing was recorded"  # noqa: S101
        found: list[torch.Tensor] = []

        def take(states: torch.Tensor) -> torch.Tensor:
            found.append(states)
            raise _ReachedError

        places = {self._place: take}
        with self._start.again(), at_places(self._model, places), suppress(_ReachedError):
            run()
        return found[0]

    @contextmanager
    def given(self, states: torch.Tensor) -> Iterator[None]:
        """Run from here on, with the dropout that the recorded run had from here on.

        Args:
            states: In place of the states that were recorded.
        """
        assert self._there is not None, "nothing was recorded"  # noqa: S101
        there = self._there

        def put(_: torch.Tensor) -> torch.Tensor:
            there.restore()
            return states

        layers = [layer for _, layer in self._model.iter_layers()][: self._place]
        with there.again(), ExitStack() as held:
            for layer in layers:
                held.enter_context(_passed(layer))
            held.enter_context(at_places(self._model, {self._place: put}))
            yield


@contextmanager
def _passed(layer: Any) -> Iterator[None]:
    """Let hidden states through a layer as they are."""
    own = layer.__dict__.get("forward")

    def forward(hidden_states: torch.Tensor, *_: Any, **__: Any) -> Any:
        # Layers of transformers 4 give tuples; a tensor would be taken apart by rows.
        return (hidden_states,)

    layer.forward = forward
    try:
        yield
    finally:
        if own is None:
            del layer.forward
        else:
            layer.forward = own
