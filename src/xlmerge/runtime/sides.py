"""The libraries that run compositions, behind one face."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from adapters.composition import Parallel, Stack

from xlmerge.errors import ModelError
from xlmerge.runtime.guards import check_block
from xlmerge.runtime.head_choice import channels_of, check_channels, check_head, no_head
from xlmerge.runtime.loaded import Loaded
from xlmerge.runtime.members import Child, Library

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from xlmerge.runtime.head_choice import HeadWish
    from xlmerge.runtime.live import LiveModel
    from xlmerge.runtime.members import Member

__all__ = ["AdaptersSide", "Side"]


class Side(Protocol):
    """A library that loads adapters and runs them composed."""

    live: LiveModel
    library: Library

    @property
    def runner(self) -> Any:
        """What tasks call: the live model, or what looks like it."""

    def child(self, label: str, folder: Path, leave_out: Sequence[int]) -> Child:
        """The adapter of a folder, loaded, as a part of a composition."""

    def activated(self, child: Child, wish: HeadWish) -> AbstractContextManager[None]:
        """Run with a part active and a head."""

    def trim(self, below: Path) -> None:
        """Take out adapters of folders that go, and the longest unused where there are many."""


class AdaptersSide:
    """The adapters library.

    Args:
        live: The model.
    """

    library: Library = "adapters"

    def __init__(self, live: LiveModel) -> None:
        self.live = live
        self._loaded = Loaded.of(live)

    @property
    def runner(self) -> LiveModel:
        """The live model itself."""
        return self.live

    def child(self, label: str, folder: Path, leave_out: Sequence[int]) -> Child:
        """The adapter of a folder, loaded, as a part of a composition.

        Raises:
            CheckpointError: The folder cannot be read.
            CompositionError: The library would compute something else with it.
            ModelError: It does not fit the model.
        """
        member = self._loaded.member(label, folder, leave_out)
        return Child(label=label, block=member.name, members=(member,))

    @contextmanager
    def activated(self, child: Child, wish: HeadWish) -> Iterator[None]:
        """Run with a part active and a head.

        Raises:
            CompositionError: The library refuses the block, or would crash on it.
            ModelError: There is no head, or one of other classes.
        """
        labels = {member.name: member.label for member in child.members}
        check_block(self.live.model, child.block, labels)
        with self.live.activated(child.block, head=self._head(child, wish)):
            yield

    def trim(self, below: Path) -> None:
        """Take out adapters of folders that go, and the longest unused where there are many."""
        self._loaded.forget(below)
        self._loaded.trim()

    def _head(self, child: Child, wish: HeadWish) -> Any:
        """Name of the head, or a list of one for each channel."""
        channels = channels_of(child.block)
        if wish.scored:
            check_channels(child)
        if wish.name is not None:
            self._check_known(wish.name)
            check_head(child.label, self.live.model.heads[wish.name].config, wish)
            return wish.name if channels == 1 else [wish.name] * channels
        heads = [self._loaded.head(member) for member in _last(child)]
        found = [head for head in heads if head is not None]
        if channels > 1:
            if len(found) == 1:
                found *= channels
            return found if len(found) == channels else None
        if not found:
            if wish.scored:
                raise no_head(child)
            return None
        check_head(child.label, self.live.model.heads[found[-1]].config, wish)
        return found[-1]

    def _check_known(self, name: str) -> None:
        if name not in self.live.model.heads:
            known = ", ".join(self.live.model.heads) or "none"
            raise ModelError(f"the model has no head {name!r}; it has {known}")


def _last(child: Child) -> list[Member]:
    """The adapters whose heads are meant: the last with one, or the last of each channel."""
    block = child.block
    if isinstance(block, Stack):
        block = block.children[-1]
    if isinstance(block, Parallel):
        last = [part if isinstance(part, str) else part.last() for part in block]
        by_name = {member.name: member for member in child.members}
        return [by_name[name] for name in last]
    with_head = [member for member in child.members if member.head is not None]
    return with_head[-1:]
