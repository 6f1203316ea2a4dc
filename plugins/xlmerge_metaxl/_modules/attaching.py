"""Networks at work: between the layers of a model, for rows of their source, and for a while."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from xlmerge.errors import ModelError
from xlmerge.runtime.columns import column
from xlmerge.runtime.own_kinds import parameters_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import torch
    from torch import nn

    from xlmerge.runtime import LiveModel

    Seen: TypeAlias = Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None], None]

__all__ = ["at_places", "attached", "transformed"]


@contextmanager
def attached(
    live: LiveModel,
    names: Sequence[str],
    seen: Seen | None = None,
) -> Iterator[None]:
    """Run the rows of each source through its networks.

    Which source a row is of, the column ``source`` of the batch says: rows of number i go through
    the networks called ``names[i]``, rows of a negative number through none, and no row does where
    there is no such column.

    Args:
        live: The model.
        names: Names of adapters of the architecture ``rtn``, one for each source; one may stand
            for several.
        seen: Gets hidden states and what is added to them, ``[rows, tokens, d]`` each, and which
            rows of the batch they are; None for all.

    Raises:
        ModelError: The model has no such adapter, or a decoder beside its encoder.
    """
    networks = [parameters_of(live.model, name) for name in names]
    places = sorted({int(place) for network in networks for place in network})

    def change(place: int) -> Callable[[torch.Tensor], torch.Tensor]:
        at = [dict(network.items()).get(str(place)) for network in networks]
        return lambda states: transformed(states, column("source"), at, seen)

    with at_places(live.model, {place: change(place) for place in places}):
        yield


def transformed(
    states: torch.Tensor,
    source: torch.Tensor | None,
    networks: Sequence[nn.Module | None],
    seen: Seen | None = None,
) -> torch.Tensor:
    """Hidden states ``[rows, tokens, d]`` with what the networks of their sources add.

    Args:
        states: Before.
        source: Number of the source of each input ``[inputs]``, negative for none; None for none
            at all. Inputs may have several rows each (choices).
        networks: One for each source; None for a source without one here.
        seen: See :func:`attached`.

    Raises:
        ModelError: A source has no network, or rows and inputs do not go together.
    """
    if source is None:
        return states
    rows, inputs = states.shape[0], source.shape[0]
    if rows % inputs:
        raise ModelError(f"{rows} rows of hidden states do not belong to {inputs} inputs alike")
    source = source.repeat_interleave(rows // inputs)
    present = source.unique().tolist()
    if present and present[-1] >= len(networks):
        raise ModelError(f"source {present[-1]} has no network; there are {len(networks)}")
    for number in present:
        network = networks[number] if number >= 0 else None
        if network is None:
            continue
        where = None if len(present) == 1 else (source == number).nonzero().squeeze(-1)
        some = states if where is None else states.index_select(0, where)
        added = network(some)
        if seen is not None:
            seen(some, added, where)
        states = some + added if where is None else states.index_copy(0, where, some + added)
    return states


@contextmanager
def at_places(
    model: Any, changes: Mapping[int, Callable[[torch.Tensor], torch.Tensor]]
) -> Iterator[None]:
    """Change hidden states between layers.

    Args:
        model: A model of the adapters library.
        changes: By place: 0 before the first layer, n after the n-th.

    Raises:
        ModelError: The model has a decoder beside its encoder.
    """
    if getattr(model.config, "is_encoder_decoder", False):
        raise ModelError("networks sit between the layers of one stack; the model has two")
    layers = [layer for _, layer in model.iter_layers()]
    with ExitStack() as held:
        for place, change in changes.items():
            if place == 0:
                handle = layers[0].register_forward_pre_hook(_before(change), with_kwargs=True)
            else:
                handle = layers[place - 1].register_forward_hook(_after(change))
            held.callback(handle.remove)
        yield


def _after(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., Any]:
    """A hook behind a layer, whose output is hidden states, or a tuple that begins with them."""

    def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
        del module, inputs
        if isinstance(output, tuple):
            return (change(output[0]), *output[1:])
        return change(output)

    return hook


def _before(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., Any]:
    """A hook before a layer, whose hidden states come by position or by name."""

    def hook(module: nn.Module, args: Any, kwargs: Any) -> Any:
        del module
        if args:
            return (change(args[0]), *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": change(kwargs["hidden_states"])}

    return hook
