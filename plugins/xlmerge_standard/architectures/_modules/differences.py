"""The parameters of one fine-tuned base model: how far each is from where it was."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Differences", "at_path"]


class Differences(nn.Module):  # type: ignore[misc]
    """What is added to each parameter, at the path that it has in the base model.

    Modules within modules, since the names of parameters have dots.

    Args:
        parameters: Those of the base model by name; the differences start at zero.
    """

    def __init__(self, parameters: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self._held = frozenset(parameters)
        for name, parameter in parameters.items():
            *path, last = name.split(".")
            at: nn.Module = self
            for part in path:
                inner = dict(at.named_children())
                if part not in inner:
                    at.add_module(part, nn.Module())
                at = getattr(at, part)
            at.register_parameter(last, nn.Parameter(torch.zeros_like(parameter)))

    def __contains__(self, name: str) -> bool:
        return name in self._held

    def __getitem__(self, name: str) -> torch.Tensor:
        """The difference of a parameter, or what stands in its place in a functional call."""
        return at_path(self, name)


def at_path(module: nn.Module, name: str) -> torch.Tensor:
    """A parameter of a module, or the tensor in its place during a functional call."""
    found: torch.Tensor = reduce(getattr, name.split("."), module)
    return found
