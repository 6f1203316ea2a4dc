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
        self._below = [layer for _, layer in model.iter_layers()][:place]
        self._forms: dict[int, int | None] = {}

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Take down states and random states of the run that follows."""
        device = self._model.device
        self._start = Randomness(device)

        def take(states: torch.Tensor) -> torch.Tensor:
            self.states, self._there = states.detach(), Randomness(device)
            return states

        with ExitStack() as held:
            for layer in self._below:
                held.callback(layer.register_forward_hook(self._note_form).remove)
            held.enter_context(at_places(self._model, {self._place: take}))
            yield

    def _note_form(self, layer: Any, _: Any, output: Any) -> None:
        """What kind of models layers give: hidden states, or a tuple that begins with them."""
        self._forms[id(layer)] = len(output) if isinstance(output, tuple) else None

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

        with there.again(), ExitStack() as held:
            for layer in self._below:
                held.enter_context(_passed(layer, self._forms[id(layer)]))
            held.enter_context(at_places(self._model, {self._place: put}))
            yield


@contextmanager
def _passed(layer: Any, length: int | None) -> Iterator[None]:
    """Let hidden states through a layer as they are.

    Args:
        layer: The layer.
        length: Of the tuple that it gives; None if it gives hidden states alone.
    """
    own = layer.__dict__.get("forward")

    def forward(hidden_states: torch.Tensor, *_: Any, **__: Any) -> Any:
        if length is None:
            return hidden_states
        return (hidden_states, *[None] * (length - 1))

    layer.forward = forward
    try:
        yield
    finally:
        if own is None:
            del layer.forward
        else:
            layer.forward = own
