"""Kinds of adapters that the library does not know, made known to one model.

Their parameters lie where the library keeps what an adapter has beside its layers, so that it
saves, loads, moves and deletes them itself. Only this model object changes: its own
``add_adapter`` hides that of its class and passes on what the library knows. A plain model refuses
their folders, by the name of the architecture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MethodType
from typing import TYPE_CHECKING, Any, TypeAlias

from adapters.configuration import AdapterConfig
from torch import nn

from xlmerge.errors import ModelError

if TYPE_CHECKING:
    from xlmerge.plugin.registry import Registry

__all__ = ["Make", "add_kind", "install_kinds", "parameters_of"]

Make: TypeAlias = Callable[[Any, Mapping[str, Any]], nn.Module]
"""A model and all fields of a configuration to the parameters of one adapter."""

_KINDS, _NEXT = "_xlmerge_kinds", "_xlmerge_add_adapter"


@dataclass(eq=False)
class _OwnConfig(AdapterConfig):  # type: ignore[misc]
    """A configuration of fields that the library has no class for."""

    architecture: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """All fields; the library's own writes those that its class declares."""
        return dict(self.__dict__)


def install_kinds(model: Any, registry: Registry) -> None:
    """Make all registered architectures known to a model.

    Args:
        model: A model of the adapters library.
        registry: The architectures; those that the library knows need nothing.
    """
    for name, registered in registry.architectures.items():
        live = registered.descriptor.live
        if live is not None and live.install is not None:
            _named(live.install)(model)
        if live is not None and live.make is not None:
            add_kind(model, name, _named(live.make))


def _named(place: str) -> Any:
    """What ``module:function`` names."""
    module, _, function = place.partition(":")
    return getattr(import_module(module), function)


def add_kind(model: Any, name: str, make: Make) -> None:
    """Make an architecture known to a model; once is enough.

    Args:
        model: The model, with or without heads.
        name: What ``architecture`` says in configurations.
        make: Makes the parameters of one adapter.
    """
    if not hasattr(model, _KINDS):
        setattr(model, _KINDS, {})
        setattr(model, _NEXT, model.add_adapter)
        # A bound method and no closure: a copy of the model then adds to itself.
        model.add_adapter = MethodType(_add_adapter, model)
    getattr(model, _KINDS)[name] = make


def parameters_of(model: Any, name: str) -> nn.Module:
    """The module that an architecture made for an adapter.

    Raises:
        ModelError: There is no such adapter.
    """
    if name not in model.base_model.shared_parameters:
        raise ModelError(f"the model has no adapter {name!r} of a kind of its own")
    found: nn.Module = model.base_model.shared_parameters[name]
    return found


def _add_adapter(
    model: Any,
    adapter_name: str,
    config: Any = None,
    *args: Any,
    set_active: bool = False,
    **options: Any,
) -> None:
    """Add an adapter; what it was before where the library knows its kind."""
    kind = config.get("architecture") if isinstance(config, Mapping) else None
    if kind not in getattr(model, _KINDS):
        getattr(model, _NEXT)(adapter_name, config, *args, set_active=set_active, **options)
        return
    module = getattr(model, _KINDS)[kind](model, dict(config))
    model.adapters_config.add(adapter_name, config=_OwnConfig.from_dict(dict(config)))
    model.base_model.shared_parameters[adapter_name] = module
    if set_active:
        model.set_active_adapters(adapter_name)
