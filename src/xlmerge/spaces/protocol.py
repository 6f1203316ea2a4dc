"""What a parameter space is: a linear chart and one transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Array", "Observe", "Point", "Space", "ignore"]

Array: TypeAlias = Any
"""An array of any library that follows the Python array API standard (2023.12).

NumPy, torch and array-api-strict are tested. Spaces see float32 and float64 only.
"""

Observe: TypeAlias = "Callable[[str, float], None]"
"""Where a space reports what it measured on the way, as a fact's name and its value.

For example a discarded share, or a count of clipped entries.
"""

P = TypeVar("P")
D = TypeVar("D")


class Point:
    """A value of a parameter, in whatever form its space gives it; only the space looks inside.

    Used in signatures of merge methods: ``name: Point`` declares a role,
    ``adapters: Sequence[Point]`` any number.
    """


def ignore(fact: str, value: float) -> None:
    """Observe nothing."""


class Space(Protocol[P, D]):
    """A parameter space: points ``x``, and deltas ``d`` that form a vector space.

    A space is immutable, never writes to an array that it is given, and works on the arrays of
    any library; scalars are Python floats. Equalities below are meant up to rounding.

    Laws (tested by ``xlmerge.testing.SpaceSuite``):

    * ``restore(delta(x)) == x``; the delta of a parameter that does nothing is zero.
    * ``lincomb`` obeys the laws of a vector space;
      ``inner`` is the Euclidean inner product of the dense deltas.
    * ``undense(dense(d)) == d`` up to the compression asked for.
    * ``transport(x, s, u, 0) == x`` and ``transport(x, s, s, t) == x``;
      if ``reaches_target``, also ``transport(s, s, u, 1) == u``.

    Attributes:
        name: The name of the space in messages and reports.
        reaches_target: Whether the whole step from the source, taken at the source, ends at the
            target.
    """

    name: str
    reaches_target: bool

    def delta(self, x: P) -> D:
        """Chart: the point as a vector, zero where the adapter does nothing."""
        ...

    def restore(self, d: D) -> P:
        """Inverse of the chart."""
        ...

    def lincomb(self, weights: Sequence[float], deltas: Sequence[D]) -> D:
        """``sum_i weights[i] * deltas[i]``, exactly.

        Args:
            weights: As many numbers as there are deltas.
            deltas: At least one delta; all of the same shape.

        Raises:
            SpaceError: The deltas do not belong together, or are not as many as the weights.
        """
        ...

    def inner(self, d: D, e: D) -> float:
        """Euclidean inner product of the dense deltas, accumulated in float64."""
        ...

    def dense(self, d: D) -> Array:
        """The delta as one plain array (for LoRA: ``scale * B @ A``).

        A direct sum gives a mapping of its members' dense arrays instead.
        """
        ...

    def undense(self, array: Array) -> D:
        """A plain array as a delta again.

        Where the form is smaller than the array, by the compression asked for.

        Raises:
            SpaceError: The form is smaller and no compression was asked for.
        """
        ...

    def elementwise(self, function: Callable[..., Array], *dense: Array) -> Array:
        """Apply ``function`` to dense arrays of equal shape, element by element.

        A direct sum applies it to each of its members in turn, so that no more than one is in
        memory; there the function must be pure, since a member is computed again whenever it is
        asked for.
        """
        ...

    def kth_magnitude(self, dense: Array, kept: int) -> float:
        """The ``kept``-th largest absolute value of a dense delta, counted from 1.

        Over all members of a direct sum.

        Raises:
            SpaceError: There is no such entry, or an entry is not a number.
        """
        ...

    def size(self, dense: Array) -> int:
        """Number of entries of a dense delta (over all members of a direct sum)."""
        ...

    def transport(self, x: P, source: P, target: P, t: float) -> P:
        """Carry the step from ``source`` to ``target``, taken ``t`` times, over to ``x``."""
        ...
