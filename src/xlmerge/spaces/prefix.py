"""The space of prefixes: one matrix of virtual tokens per layer and for keys or values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, final

from xlmerge.errors import SpaceError
from xlmerge.spaces.arithmetic import require_equal_shapes
from xlmerge.spaces.array_deltas import ArrayDeltas
from xlmerge.spaces.namespace import array_namespace
from xlmerge.spaces.protocol import ignore

if TYPE_CHECKING:
    from xlmerge.spaces.protocol import Array, Observe

__all__ = ["PrefixSpace"]


@final
class PrefixSpace(ArrayDeltas):
    """Prefix tuning: matrices ``[p, d]`` of p virtual tokens; a step is a matrix on the tokens.

    The step is ``target @ source^+`` with the Moore-Penrose inverse, applied from the left
    (Zhao et al. 2024, arXiv 2402.18913). There it is multiplied by t, so that t = 0 gives the
    zero prefix; here the identity and the step are mixed instead, so that t = 0 gives ``x``.
    Taken at the source itself the step does not reach the target but the target's projection on
    the source's row space, hence ``reaches_target`` is false.

    Args:
        rule: ``pseudo_inverse``: as above; needs ``p <= d`` and a source of full row rank.
            ``ridge``: ``source^T (source source^T + lambda I)^-1`` takes the place of the
            pseudo-inverse in the step's difference to the identity; needs neither, and damps
            what a nearly singular source would amplify.
        ridge: ``lambda`` of the ridge rule over the mean squared singular value of the source.
            Above 0.
        rtol: Singular values up to this share of the largest count as zero; by default the larger
            of p and d times the rounding unit of the source's dtype.
        observe: Is told, for each transport that has something to carry: ``condition_number`` of
            the source (infinite if singular), ``effective_rank`` (singular values above ``rtol``).

    Raises:
        SpaceError: An argument is out of its range.
    """

    name = "prefix"
    reaches_target = False

    def __init__(
        self,
        rule: Literal["pseudo_inverse", "ridge"] = "pseudo_inverse",
        *,
        ridge: float = 1e-3,
        rtol: float | None = None,
        observe: Observe = ignore,
    ) -> None:
        if rule not in ("pseudo_inverse", "ridge"):
            raise SpaceError(f"the rule of a prefix is pseudo_inverse or ridge, found {rule!r}")
        if not 0 < ridge < math.inf:
            raise SpaceError(f"the ridge of a prefix must be finite and above 0, found {ridge}")
        if rtol is not None and not 0 <= rtol < 1:
            raise SpaceError(f"the rtol of a prefix must be at least 0, below 1, found {rtol}")
        self.rule = rule
        self.ridge = ridge
        self.rtol = rtol
        self._observe = observe

    def delta(self, x: Array) -> Array:
        """The point itself."""
        return x

    def restore(self, d: Array) -> Array:
        """The delta itself."""
        return d

    def transport(self, x: Array, source: Array, target: Array, t: float) -> Array:
        """``((1 - t) I + t * target @ source^+) @ x``, in float64.

        Computed as ``x + t * (target - source) @ source^+ @ x``, which is the same for a source
        of full row rank, and exactly ``x`` where target and source are equal.

        Args:
            x: ``[p, d]``.
            source: ``[p, d]``.
            target: ``[p, d]``.
            t: How much of the step.

        Raises:
            SpaceError: Shapes differ or are not ``[p, d]``, a source is not finite, or the
                pseudo-inverse rule meets more tokens than dimensions or a rank-deficient source.
        """
        require_equal_shapes("a transport", x, source, target)
        if x.ndim != 2:
            raise SpaceError(
                "a prefix must be one matrix [p, d] per layer and for keys or values, "
                f"found shape {tuple(x.shape)}"
            )
        xp = array_namespace(x, source, target)
        if t == 0 or bool(xp.all(source == target)):
            return x
        inverse = self._inverse(source)
        difference = xp.astype(target, xp.float64) - xp.astype(source, xp.float64)
        wide = xp.astype(x, xp.float64)
        return xp.astype(wide + t * ((difference @ inverse) @ wide), x.dtype)

    def _inverse(self, source: Array) -> Array:
        """The inverse that the rule prescribes, ``[d, p]``."""
        xp = array_namespace(source)
        if not bool(xp.all(xp.isfinite(source))):
            raise SpaceError("the source of a prefix transport has values that are not finite")
        parts = xp.linalg.svd(xp.astype(source, xp.float64), full_matrices=False)
        spectrum = _Spectrum.of(parts[1], self._rtol(source))
        self._observe("condition_number", spectrum.condition_number)
        self._observe("effective_rank", float(spectrum.rank))
        if self.rule == "pseudo_inverse":
            spectrum.require_full_row_rank(*source.shape)
            shift = 0.0
        else:
            shift = self.ridge * float(xp.mean(parts[1] * parts[1]))
        squares = parts[1] * parts[1] + shift
        one = xp.ones_like(squares)
        gains = parts[1] / xp.where(squares > 0, squares, one)  # a zero source carries nothing
        return (parts[2].T * gains) @ parts[0].T

    def _rtol(self, source: Array) -> float:
        if self.rtol is not None:
            return self.rtol
        rounding = float(array_namespace(source).finfo(source.dtype).eps)
        return rounding * int(max(source.shape))


@dataclass(frozen=True, slots=True)
class _Spectrum:
    """What the singular values of a source say about inverting it."""

    rank: int
    condition_number: float
    rtol: float

    @classmethod
    def of(cls, values: Array, rtol: float) -> _Spectrum:
        """From singular values, downwards."""
        largest, smallest = float(values[0]), float(values[-1])
        xp = array_namespace(values)
        rank = int(xp.sum(xp.astype(values > rtol * largest, xp.int64)))
        return cls(rank, largest / smallest if smallest > 0 else math.inf, rtol)

    def require_full_row_rank(self, tokens: int, width: int) -> None:
        if tokens > width or self.rank < tokens:
            raise SpaceError(
                "the pseudo-inverse of a prefix needs at most as many tokens as dimensions and "
                f"independent tokens (p <= d, rank p): found p = {tokens}, d = {width}, rank "
                f"{self.rank} (rtol {self.rtol:.1e}), condition number "
                f"{self.condition_number:.1e}",
                hint="use the ridge rule, which has no such conditions: `prefix_rule: ridge`",
            )
