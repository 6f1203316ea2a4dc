"""What a merge is asked to be, and what is known of the adapters it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlmerge.checkpoint.cover import AdapterLayout
    from xlmerge.checkpoint.tensor_file import Container

__all__ = ["Draft", "Place", "StepRequest"]

Place: TypeAlias = tuple[str | int, ...]
"""Keys below a step, such as ``("with", "t")``."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An adapter as far as planning knows it: a folder, or what a step is going to write.

    Attributes:
        layout: Parameters and their meaning. For a step's result, those of its first input.
        head: Layout of the folder whose head it has or will have; None without one.
        planned: Whether it is a step's result, so that ``layout`` is of another folder.
    """

    layout: AdapterLayout
    head: AdapterLayout | None
    planned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRequest:
    """A merge as asked for, by a recipe, on the command line, or from Python.

    Attributes:
        name: Name of the step.
        method: Name of the method.
        adapters: Names, or name to weight.
        roles: Role to name.
        values: What stands under ``with``.
        heads: ``drop``, ``mean``, ``from NAME``, or None.
        dtype: Precision of the output.
        container: Container of the output.
    """

    name: str
    method: str
    adapters: Mapping[str, Any] | tuple[str, ...] | None = None
    roles: Mapping[str, str] | None = None
    values: Mapping[str, Any]
    heads: str | None = None
    dtype: str | None = None
    container: Container | None = None
