"""A tiny model to try compositions, tasks and trainers on, with adapters made on the spot."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from xlmerge.errors import ParameterError
from xlmerge.plugin import discover
from xlmerge.plugin.registry import Catalogue, Registered

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xlmerge.plugin import CompositionRule, Registry, Task, Trainer

__all__ = ["Bench", "registry_with"]

LABELS = ("blue", "green", "red")
"""Classes of the heads that adapters of the bench have."""


def registry_with(
    field: str, descriptor: CompositionRule | Task | Trainer, registry: Registry | None = None
) -> Registry:
    """What is installed, and a descriptor in the place of any of its name.

    Args:
        field: Attribute of the registry: ``composition_rules``, ``tasks`` or ``trainers``.
        descriptor: The one under test.
        registry: In place of what is installed.
    """
    registry = registry or discover()
    catalogue: Catalogue[Any] = getattr(registry, field)
    others = [offer for name, offer in catalogue.items() if name != descriptor.name]
    ours = Registered(descriptor=descriptor, plugin="under test", distribution=None, version=None)
    changes: dict[str, Any] = {field: Catalogue(catalogue.kind, [*others, ours])}
    return dataclasses.replace(registry, **changes)


class Bench:
    """A tiny random model, and folders of random adapters that fit it.

    Args:
        registry: Architectures, rules, tasks.
        folder: Where adapters go; exists.
        attention: Attention implementation of the model.

    Attributes:
        live: The model.
        registry: As given.
        folder: As given.
        folders: Adapter by name to its folder, as compositions take them.
        heads: Adapters that bring a head.
    """

    def __init__(self, registry: Registry, folder: Path, *, attention: str | None = None) -> None:
        from xlmerge.runtime.tiny import tiny_model

        self.registry = registry
        self.folder = folder
        self.attention = attention
        self.live = tiny_model(registry, attention=attention)
        self.folders: dict[str, Path] = {}
        self.heads: set[str] = set()

    def config(self, config: str | Mapping[str, Any]) -> dict[str, Any]:
        """All fields of a configuration, by its name or as they are.

        Raises:
            ParameterError: No architecture has a configuration of that name.
        """
        if not isinstance(config, str):
            return dict(config)
        known: dict[str, Mapping[str, Any]] = {}
        for offer in self.registry.architectures.values():
            if offer.descriptor.live is not None:
                known.update(offer.descriptor.live.configs)
        if config not in known:
            raise ParameterError(
                f"no architecture has a configuration {config!r}; there are {', '.join(known)}"
            )
        return dict(known[config])

    def make(
        self,
        name: str,
        config: str | Mapping[str, Any],
        *,
        seed: int,
        head: Mapping[str, Any] | None = None,
    ) -> Path:
        """Save an adapter of random numbers that matter, and a head beside it if one is given.

        Args:
            name: Its name in trees.
            config: Name of a configuration, or all of its fields.
            seed: Of its numbers.
            head: Configuration of the head.

        Returns:
            Its folder.
        """
        import torch

        live = self.live
        live.add_adapter(name, self.config(config), seed=seed)
        if head is not None:
            live.add_head(name, head, seed=seed)
            self.heads.add(name)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in live.adapter_parameters(name).values():
                noise = 0.3 * torch.randn(parameter.shape, generator=generator)
                # (IA)³ is made of ones, everything else of small numbers around zero.
                parameter.copy_(noise + 1 if bool((parameter == 1).all()) else noise)
        self.folders[name] = self.folder / name
        live.save_adapter(name, self.folders[name], head=None if head is None else name)
        live.delete_adapter(name)
        if head is not None:
            live.delete_head(name)
        return self.folders[name]

    def state(self) -> dict[str, Any]:
        """What must not change: tensors, what is trainable, what is active."""
        model = self.live.model
        return {
            "tensors": {key: value.clone() for key, value in model.state_dict().items()},
            "trainable": [key for key, p in model.named_parameters() if p.requires_grad],
            "training": model.training,
            "active": str(model.adapters_config.active_setup),
            "head": model.active_head,
            "hooks": sum(
                len(module._forward_hooks) + len(module._forward_pre_hooks)  # noqa: SLF001
                for module in model.modules()
            ),
        }
