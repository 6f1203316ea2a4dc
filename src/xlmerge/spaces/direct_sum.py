"""Direct sums: many parameters as one vector, one of them in memory at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, final

from xlmerge.errors import SpaceError
from xlmerge.spaces.arithmetic import require_weights
from xlmerge.spaces.order import kth_largest_magnitude

if TYPE_CHECKING:
    from xlmerge.spaces.protocol import Array, Space

__all__ = ["DirectSum", "LazyMapping"]

V = TypeVar("V")


@final
class LazyMapping(Mapping[str, V]):
    """A mapping whose values are computed whenever they are asked for, and never kept.

    Args:
        names: The keys, in their order.
        function: Gives the value of a name; pure, since it may be called several times.
    """

    def __init__(self, names: Sequence[str], function: Callable[[str], V]) -> None:
        self._names = dict.fromkeys(names)
        self._function = function

    def __getitem__(self, name: str) -> V:
        if name not in self._names:
            raise KeyError(name)
        return self._function(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names  # the inherited one would compute the value

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"LazyMapping({list(self._names)})"


@final
class DirectSum:
    """The direct sum of named spaces: a layer, or a whole adapter, as one space.

    Points, deltas and dense deltas are mappings from name to the member's own. What comes out is
    lazy: a method written for one space streams over an adapter, and each member is computed when
    it is read, again each time, so that its observations are made again, too. Direct sums nest.

    Args:
        members: The spaces, at least one.

    Raises:
        SpaceError: There is no member.
    """

    name = "direct_sum"

    def __init__(self, members: Mapping[str, Space[Any, Any]]) -> None:
        if not members:
            raise SpaceError("a direct sum needs at least one member, found none")
        self.members = dict(members)
        self.reaches_target = all(space.reaches_target for space in members.values())

    def delta(self, x: Mapping[str, Any]) -> Mapping[str, Any]:
        """The members' charts."""
        return self._lazily(lambda space, value: space.delta(value), x)

    def restore(self, d: Mapping[str, Any]) -> Mapping[str, Any]:
        """The inverses of the members' charts."""
        return self._lazily(lambda space, value: space.restore(value), d)

    def lincomb(
        self, weights: Sequence[float], deltas: Sequence[Mapping[str, Any]]
    ) -> Mapping[str, Any]:
        """The members' linear combinations, all with the same weights.

        Raises:
            SpaceError: Members are missing or unknown, or weights and deltas do not pair up.
        """
        require_weights(weights, deltas)
        fixed = tuple(weights)
        return self._lazily(lambda space, *values: space.lincomb(fixed, values), *deltas)

    def inner(self, d: Mapping[str, Any], e: Mapping[str, Any]) -> float:
        """The sum of the members' inner products.

        Raises:
            SpaceError: Members are missing or unknown.
        """
        self._require_members(d, e)
        return math.fsum(space.inner(d[name], e[name]) for name, space in self.members.items())

    def dense(self, d: Mapping[str, Any]) -> Mapping[str, Any]:
        """The members' dense deltas."""
        return self._lazily(lambda space, value: space.dense(value), d)

    def undense(self, array: Mapping[str, Any]) -> Mapping[str, Any]:
        """The members' deltas of dense ones."""
        return self._lazily(lambda space, value: space.undense(value), array)

    def elementwise(
        self, function: Callable[..., Array], *dense: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """``function`` on each member's dense arrays in turn, each time they are read.

        Raises:
            SpaceError: Members are missing or unknown.
        """
        return self._lazily(lambda space, *values: space.elementwise(function, *values), *dense)

    def kth_magnitude(self, dense: Mapping[str, Any], kept: int) -> float:
        """The ``kept``-th largest absolute value over all members, streamed in a few passes.

        Raises:
            SpaceError: There is no such entry, an entry is not a number, or members are missing.
        """
        self._require_members(dense)
        return kth_largest_magnitude(lambda: _arrays(dense), kept)

    def size(self, dense: Mapping[str, Any]) -> int:
        """Number of entries over all members; reads each of them once.

        Raises:
            SpaceError: Members are missing or unknown.
        """
        self._require_members(dense)
        return sum(space.size(dense[name]) for name, space in self.members.items())

    def transport(
        self,
        x: Mapping[str, Any],
        source: Mapping[str, Any],
        target: Mapping[str, Any],
        t: float,
    ) -> Mapping[str, Any]:
        """The members' transports.

        Raises:
            SpaceError: Members are missing or unknown.
        """
        self._require_members(x, source, target)
        if t == 0 or source is target:
            source = target = x  # the members see one object and need not compare values
        return self._lazily(lambda space, *values: space.transport(*values, t), x, source, target)

    def _lazily(
        self, function: Callable[..., Any], *operands: Mapping[str, Any]
    ) -> LazyMapping[Any]:
        """``function(member, *the member's values)`` for each name, when it is read."""
        self._require_members(*operands)
        distinct = {id(operand): operand for operand in operands}

        def compute(name: str) -> Any:
            # An operand that is given twice is read once, and its member sees one object.
            values = {key: operand[name] for key, operand in distinct.items()}
            return function(self.members[name], *(values[id(operand)] for operand in operands))

        return LazyMapping(list(self.members), compute)

    def _require_members(self, *operands: Mapping[str, Any]) -> None:
        for operand in operands:
            missing = [name for name in self.members if name not in operand]
            unknown = [name for name in operand if name not in self.members]
            if missing or unknown:
                raise SpaceError(
                    "an operand of a direct sum must have its members: "
                    f"missing {', '.join(missing) or 'none'}, "
                    f"unknown {', '.join(unknown) or 'none'}"
                )


def _arrays(dense: Mapping[str, Any]) -> Iterator[Array]:
    for name in dense:
        value = dense[name]
        if isinstance(value, Mapping):
            yield from _arrays(value)
        else:
            yield value
