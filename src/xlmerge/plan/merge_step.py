"""A merge that has passed all checks that need no numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlmerge.checkpoint.compatibility import BaseModel
    from xlmerge.checkpoint.tensor_file import Container
    from xlmerge.plugin.method import MergeMethod, Scope
    from xlmerge.plugin.registry import Registered

__all__ = ["HeadPolicy", "MergeStepPlan", "PlannedInput"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedInput:
    """One adapter of a merge.

    Attributes:
        name: Its name in the recipe.
        role: Its role; None if it is one of the method's ``adapters``.
        weight: Its weight, or weights by pattern; None if the method takes none.
    """

    name: str
    role: str | None = None
    weight: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadPolicy:
    """What becomes of prediction heads.

    Attributes:
        action: ``none`` (no input has one), ``drop``, ``from`` one input, or ``mean`` of several.
        sources: Names of the inputs it is taken from.
    """

    action: Literal["none", "drop", "from", "mean"] = "none"
    sources: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.action in {"none", "drop"}:
            return "none" if self.action == "none" else "dropped"
        return f"{self.action} {', '.join(self.sources)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeStepPlan:
    """One merge.

    Attributes:
        name: Name of the step, which becomes the adapter's name.
        method: The method and who provides it.
        inputs: Adapters in the order in which the method gets them; the output takes its form from
            the first.
        parameters: Values of the method's parameters, defaults filled in; each plain or by pattern.
        options: Values of the spaces' options that were given.
        scope: What one call of the method spans.
        seed: For methods that draw random numbers.
        heads: What becomes of heads.
        dtype: Precision of the output; None for that of the inputs.
        container: Container of the output; None for that of the first input.
        base: What the user says of the base model.
    """

    name: str
    method: Registered[MergeMethod]
    inputs: tuple[PlannedInput, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    scope: Scope = "parameter"
    seed: int = 0
    heads: HeadPolicy = HeadPolicy()
    dtype: str | None = None
    container: Container | None = None
    base: BaseModel

    @property
    def needs(self) -> tuple[str, ...]:
        """Adapters that it merges."""
        return tuple(dict.fromkeys(item.name for item in self.inputs))

    def describe(self) -> dict[str, Any]:
        """The merge as plain data: what fingerprints, provenance and ``--dry-run`` show."""
        method = self.method.descriptor
        described: dict[str, Any] = {
            "method": method.name,
            "inputs": [
                {
                    "name": item.name,
                    **({"role": item.role} if item.role else {}),
                    **({"weight": item.weight} if item.weight is not None else {}),
                }
                for item in self.inputs
            ],
            "parameters": {**self.parameters, **self.options},
            "scope": self.scope,
            "heads": str(self.heads),
        }
        if method.random:
            described["parameters"]["seed"] = self.seed
        if self.dtype:
            described["dtype"] = self.dtype
        if self.container:
            described["format"] = self.container
        if self.base.name:
            described["base_model"] = self.base.name
        return described
