"""A base model that runs with ``W + difference`` in the place of ``W`` while adapters ask for it.

The parameters themselves are never written to. Each layer replaces its own ones for each of its
runs, so that one that is computed again in the backward pass (gradient checkpointing) finds them
once more; so do the modules around the layers, and output embeddings that share a table with the
input. Only one model object changes: its modules' own ``forward`` hides that of their class.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MethodType
from typing import TYPE_CHECKING, Any

import torch
from adapters.composition import Stack
from adapters.context import AdapterSetup
from torch import nn

from xlmerge.errors import CompositionError
from xlmerge_standard.architectures._modules.differences import Differences, at_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["prepare"]

_PLACE, _TIE = "_xlmerge_full", "_xlmerge_full_tie_weights"


@dataclass(eq=False)
class _Place:
    """A module that replaces parameters when it runs.

    Attributes:
        base: The base model, which holds the adapters.
        forward: What the module did before.
        names: Parameter by its name in the module to its name in the base model.
    """

    base: Any
    forward: Callable[..., Any]
    names: dict[str, str]


def prepare(model: Any, parameters: Mapping[str, nn.Parameter]) -> None:
    """Let a model add differences to its parameters; once is enough.

    Args:
        model: A model of the adapters library, with or without heads.
        parameters: Those of its base model, by name.
    """
    if hasattr(model, _TIE):
        return
    base = model.base_model
    names = {id(parameter): name for name, parameter in parameters.items()}
    table = model.get_input_embeddings()
    places: dict[nn.Module, Callable[..., Any]] = {}
    for module in _places(model):
        places[module] = _run
    for module in base.modules():
        # A sum of tables as large as the vocabulary, for the few rows that a batch looks up.
        if type(module) is nn.Embedding and module.weight is table.weight and not module.max_norm:
            places[module] = _look_up
    for module, forward in places.items():
        within = {
            inside
            for other in places
            if other is not module and other in set(module.modules())
            for inside in other.modules()
        }
        _place(module, base, _names(module, names, within), forward)
    setattr(model, _TIE, model.tie_weights)
    # Bound methods and no closures: a copy of the model then refers to itself.
    model.tie_weights = MethodType(_tie, model)
    _place_outputs(model)


def _places(model: Any) -> Iterator[nn.Module]:
    """The base model, what it consists of, and its layers: everything that runs as a whole."""
    todo = [model.base_model]
    while todo:
        module = todo.pop()
        if module is model.base_model or isinstance(module, nn.ModuleList | nn.ModuleDict):
            todo.extend(module.children())
        if not isinstance(module, nn.ModuleList | nn.ModuleDict):
            yield module
    for _, layer in model.iter_layers():
        yield layer


def _names(module: nn.Module, names: Mapping[int, str], within: set[nn.Module]) -> dict[str, str]:
    """Parameters of a module by their names in it, without those of places inside."""
    return {
        f"{path}.{key}" if path else key: names[id(parameter)]
        for path, part in module.named_modules(remove_duplicate=False)
        if part not in within
        for key, parameter in part.named_parameters(recurse=False, remove_duplicate=False)
        if id(parameter) in names
    }


def _place(
    module: nn.Module, base: nn.Module, names: dict[str, str], forward: Callable[..., Any]
) -> None:
    """Let a module run another function, which knows what it ran before."""
    if hasattr(module, _PLACE):
        getattr(module, _PLACE).names = names
    elif names:
        setattr(module, _PLACE, _Place(base, module.forward, names))
        module.forward = MethodType(forward, module)


def _tie(model: Any) -> None:
    """Tie output embeddings of heads, which are new, to those of the input."""
    getattr(model, _TIE)()
    _place_outputs(model)


def _place_outputs(model: Any) -> None:
    """Let output embeddings that are a parameter of the base model change with it."""
    base = model.base_model
    names = {id(parameter): name for name, parameter in base.named_parameters()}
    for head in getattr(model, "heads", {}).values():
        output = head.get_output_embeddings()
        if output is not None:
            _place(output, base, _names(output, names, set()), _run)


def _run(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
    """What a module does, with the sums of its parameters and the active differences."""
    place = getattr(module, _PLACE)
    values: dict[str, torch.Tensor] = {}
    for differences in _active(place.base):
        for key, name in place.names.items():
            if name in differences:
                before = values[key] if key in values else at_path(module, key)
                values[key] = before + differences[name]
    if not values:
        return place.forward(*args, **kwargs)
    run = nn.Module()
    run.module, run.forward = module, place.forward
    within = {f"module.{key}": value for key, value in values.items()}
    return torch.func.functional_call(run, within, args, kwargs, tie_weights=False)


def _look_up(module: nn.Embedding, tokens: torch.Tensor) -> torch.Tensor:
    """Rows of the table and of the differences, added."""
    place = getattr(module, _PLACE)
    found: torch.Tensor = place.forward(tokens)
    for differences in _active(place.base):
        if place.names["weight"] in differences:
            difference = differences[place.names["weight"]]
            found = found + nn.functional.embedding(tokens, difference, module.padding_idx)
    return found


def _active(base: Any) -> list[Differences]:
    """The differences that are to be added now.

    Raises:
        CompositionError: They are part of something else than a stack.
    """
    context = AdapterSetup.get_context()
    setup = base.adapters_config.active_setup if context is None else context.adapter_setup
    if setup is None:
        return []
    active = setup.flatten()
    found = {
        name: module
        for name, module in base.shared_parameters.items()
        if name in active and isinstance(module, Differences)
    }
    if apart := sorted(set(found) - _stacked(setup)):
        raise CompositionError(
            f"{apart[0]}: a fine-tuned base model runs alone or in a stack, for all of a batch",
            hint="take `interpolate` for a mean of weights, or `ensemble` for one of outputs",
        )
    return list(found.values())


def _stacked(block: Any) -> set[str]:
    """Names in a block that are in stacks only."""
    if isinstance(block, str):
        return {block}
    if not isinstance(block, Stack):
        return set()
    return {name for part in block for name in _stacked(part)}
