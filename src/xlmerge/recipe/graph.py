"""Steps that use each other's results, as a graph."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["cycles", "in_order"]


def in_order(uses: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The nodes so that each comes after those it uses; otherwise as they are given.

    Args:
        uses: What each node uses, repetitions allowed; names that are no nodes are passed over.

    Returns:
        All nodes but those on a cycle and those that need them.
    """
    position = {name: index for index, name in enumerate(uses)}
    waiting_for = {
        name: {used for used in used_by if used in uses} for name, used_by in uses.items()
    }
    users: dict[str, list[str]] = {name: [] for name in uses}
    for name, needed in waiting_for.items():
        for used in needed:
            users[used].append(name)
    ready = [(position[name], name) for name, needed in waiting_for.items() if not needed]
    heapq.heapify(ready)
    order = []
    while ready:
        _, name = heapq.heappop(ready)
        order.append(name)
        for user in users[name]:
            waiting_for[user].discard(name)
            if not waiting_for[user]:
                heapq.heappush(ready, (position[user], user))
    return tuple(order)


def cycles(uses: Mapping[str, Sequence[str]]) -> list[tuple[str, ...]]:
    """Cycles that have no node in common, at least one if there is any.

    Args:
        uses: What each node uses.

    Returns:
        Each cycle as ``(a, b, a)`` where a uses b; a is the one that comes first in ``uses``.
    """
    position = {name: index for index, name in enumerate(uses)}
    left = dict(uses)
    found: list[tuple[str, ...]] = []
    while True:
        sorted_out = set(in_order(left))
        left = {name: used for name, used in left.items() if name not in sorted_out}
        if not left:
            return found
        cycle = _walk(left)
        start = cycle.index(min(cycle, key=position.__getitem__))
        found.append((*cycle[start:], *cycle[:start], cycle[start]))
        left = {name: used for name, used in left.items() if name not in cycle}


def _walk(left: Mapping[str, Sequence[str]]) -> list[str]:
    """A cycle met by going on to the first used node; each node left uses another one left."""
    seen: dict[str, int] = {}
    name = next(iter(left))
    while name not in seen:
        seen[name] = len(seen)
        name = next(used for used in left[name] if used in left)
    return list(seen)[seen[name] :]
