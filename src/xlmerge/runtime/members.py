"""Adapters as they sit in a running model, and parts of a composition made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Block", "Child", "Library", "Member"]

Library: TypeAlias = Literal["adapters", "peft"]

Block: TypeAlias = Any
"""What a library is to activate.

The name of an adapter or a composition block of the adapters library; for PEFT a tuple of names.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An adapter in a running model.

    Attributes:
        name: Its name in the model.
        label: Its name in the recipe, for messages.
        config: Its configuration: the inner ``config`` of an ``adapter_config.json`` of the
            adapters library, or the whole of PEFT's.
        invertible: Whether it brings an invertible adapter at the embeddings.
        library: The library that runs it.
        head: Name of the prediction head that comes with it; None without one.
        folder: Where it was loaded from; None for a new one.
        leave_out: Layers that were left out on top of those its configuration leaves out.
    """

    name: str
    label: str
    config: Mapping[str, Any]
    invertible: bool = False
    library: Library = "adapters"
    head: str | None = None
    folder: Path | None = None
    leave_out: tuple[int, ...] = ()

    @property
    def kinds(self) -> frozenset[str]:
        """What it is made of: ``bottleneck``, ``lora``, ``dora``, ``ia3``, ``prefix_tuning``, ...

        More than one for a union.
        """
        if self.library == "peft":
            kind = str(self.config.get("peft_type", "")).lower()
            return frozenset({"dora" if self.config.get("use_dora") else kind})
        return _kinds(self.config)


def _kinds(config: Mapping[str, Any]) -> frozenset[str]:
    """Kinds by the field ``architecture``; (IA)³ is a LoRA that scales, DoRA one with a norm."""
    architecture = config.get("architecture")
    if architecture is None:
        return frozenset({"bottleneck"})
    if architecture == "union":
        return frozenset[str]().union(*(_kinds(part) for part in config.get("configs", ())))
    if architecture == "lora":
        if config.get("composition_mode") == "scale":
            return frozenset({"ia3"})
        return frozenset({"dora" if config.get("use_dora") else "lora"})
    return frozenset({str(architecture)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A part of a composition, as rules get it.

    Attributes:
        label: The part in words, as in the recipe: ``stack(indonesian, sentiment)``.
        block: What a library is to activate.
        members: The adapters in it, in order.
    """

    label: str
    block: Block
    members: tuple[Member, ...]

    @property
    def single(self) -> Member | None:
        """The adapter that this part is; None for a composition."""
        [first, *more] = self.members
        name = self.block[0] if isinstance(self.block, tuple) else self.block
        return None if more or name != first.name else first

    @property
    def invertible(self) -> tuple[Member, ...]:
        """Those with an invertible adapter."""
        return tuple(member for member in self.members if member.invertible)

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of all of its adapters."""
        return frozenset[str]().union(*(member.kinds for member in self.members))
