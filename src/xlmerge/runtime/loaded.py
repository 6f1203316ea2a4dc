"""Adapters of folders, loaded into a model once however often they are asked for."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, proxy

from xlmerge.errors import ModelError
from xlmerge.runtime.guards import check_adapter
from xlmerge.runtime.guards.folders import adapter_settings
from xlmerge.runtime.members import Member

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xlmerge.runtime.live import LiveModel

__all__ = ["Loaded", "name_in_model"]

# An evaluation of many languages must not keep all of them in memory.
_MOST = 32
_MOST_BYTES = 4 * 2**30


def name_in_model(label: str, folder: Path, leave_out: Sequence[int] = ()) -> str:
    """A name for an adapter of a folder that no other folder's has.

    Two recipes' adapters may be called alike, and the libraries split names at some signs.
    """
    what = f"{folder.resolve()} {sorted(leave_out)}".encode()
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", label)[:60]
    return f"{plain}-{hashlib.sha256(what).hexdigest()[:8]}"


class Loaded:
    """The adapters that were loaded into one model for compositions.

    Args:
        live: The model.
    """

    def __init__(self, live: LiveModel) -> None:
        self._live = proxy(live)  # it is the key that this object is kept by
        self._members: OrderedDict[tuple[Path, tuple[int, ...]], Member] = OrderedDict()
        self._adopted: set[str] = set()
        self._bytes: dict[str, int] = {}

    @classmethod
    def of(cls, live: LiveModel) -> Loaded:
        """Those of a model; the same object each time."""
        if live not in _LOADED:
            _LOADED[live] = cls(live)
        return _LOADED[live]

    def member(self, label: str, folder: Path, leave_out: Sequence[int] = ()) -> Member:
        """The adapter of a folder, in the model.

        Args:
            label: Its name in the recipe.
            folder: Its folder.
            leave_out: Layers that get no part of it, counted from 0.

        Raises:
            CheckpointError: The folder cannot be read.
            CompositionError: The library would compute something else with it.
            ModelError: It does not fit the model.
        """
        key = (folder.resolve(), tuple(sorted(leave_out)))
        known = self._members.get(key)
        if known is None or known.name not in self._live.adapters():  # deleted by others
            self._members[key] = self._load(label, folder, key[1])
        self._members.move_to_end(key)
        return replace(self._members[key], label=label)

    def adopt(self, member: Member) -> None:
        """Take an adapter that is in the model already for the one of its folder.

        Args:
            member: A new adapter, and a folder that tells compositions what it is.
        """
        if member.folder is None:
            raise TypeError(f"{member.label} has no folder that it could be known by")
        self._members[(member.folder.resolve(), ())] = member
        self._adopted.add(member.name)

    def head(self, member: Member) -> str | None:
        """The head that came with an adapter, loaded when it is first asked for.

        A masked-LM head is as large as the vocabulary; most compositions never look at it.

        Raises:
            ModelError: It does not fit the model.
        """
        if member.head is not None and member.folder is not None:
            live = self._live
            if member.head not in live.model.heads:
                before = live.model.active_head
                try:
                    live.load_head(member.head, member.folder)
                finally:
                    live.set_head(before)  # the library activates heads of plugins
        return member.head

    def trim(self) -> None:
        """Take the longest unused adapters out of the model where there are too many.

        Adopted ones stay: whoever made them may be training them.
        """
        ours = [key for key, member in self._members.items() if member.name not in self._adopted]
        held = sum(self._bytes.get(self._members[key].name, 0) for key in ours)
        for at, key in enumerate(ours):
            if len(ours) - at <= _MOST and held <= _MOST_BYTES:
                break
            held -= self._bytes.get(self._members[key].name, 0)
            self._drop(key)

    def forget(self, below: Path) -> None:
        """Take adapters out of the model whose folders lie below one that goes."""
        for key in [key for key in self._members if below.resolve() in key[0].parents]:
            self._drop(key)

    def _drop(self, key: tuple[Path, tuple[int, ...]]) -> None:
        member = self._members.pop(key)
        self._bytes.pop(member.name, None)
        self._adopted.discard(member.name)
        self._live.delete_adapter(member.name)
        if member.head is not None:
            self._live.delete_head(member.head)

    def _load(self, label: str, folder: Path, leave_out: tuple[int, ...]) -> Member:
        live, name = self._live, name_in_model(label, folder, leave_out)
        check_adapter(label, folder)
        live.load_adapter(name, folder, leave_out=leave_out)
        parameters = live.adapter_parameters(name).values()
        self._bytes[name] = sum(p.numel() * p.element_size() for p in parameters)
        return Member(
            name=name,
            label=label,
            config=live.adapter_config(name),
            invertible=live.is_invertible(name),
            head=name if (folder / "head_config.json").is_file() else None,
            folder=folder,
            leave_out=leave_out,
        )


def head_brought(live: LiveModel, label: str, folder: Path) -> str:
    """The head that an adapter brings, by the name that a composition finds it by.

    Args:
        live: The model.
        label: The adapter's name in the recipe.
        folder: Its folder. A head in a file of PEFT is found by the adapter's own name.

    Raises:
        CheckpointError: The folder cannot be read.
        CompositionError: The library would compute something else with the adapter.
        ModelError: It brings none, or one that does not fit.
    """
    if "peft_type" in adapter_settings(label, folder):
        return label
    loaded = Loaded.of(live)
    head = loaded.head(loaded.member(label, folder))
    if head is None:
        raise ModelError(f"{label}: the adapter brings no prediction head: {folder}")
    return head


_LOADED: WeakKeyDictionary[LiveModel, Loaded] = WeakKeyDictionary()
