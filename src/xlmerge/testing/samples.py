"""Small spaces with points in them: what merge methods are tried on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from xlmerge.spaces import (
    AdditiveSpace,
    Compression,
    DirectSum,
    FactorwiseSpace,
    LowRank,
    LowRankSpace,
    MultiplicativeSpace,
    PrefixSpace,
)
from xlmerge.testing.spaces import Values

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy import ndarray

    from xlmerge.spaces import Array, Space

__all__ = ["LOOKS", "SAMPLES", "MakeArray", "Sample"]


class MakeArray(Protocol):
    """Gives the next array of a shape."""

    def __call__(self, *shape: int) -> Array:
        """The array."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """A space, and how to make a point of it.

    Attributes:
        name: For messages.
        space: The space.
        make: A point, made of arrays that it asks for by shape; always of the same form.
        undenses: Whether the space takes dense deltas back, as element-wise methods need.
    """

    name: str
    space: Space[Any, Any]
    make: Callable[[MakeArray], Any]
    undenses: bool = True

    @property
    def several(self) -> bool:
        """Whether it is a direct sum, as methods see a layer or an adapter."""
        return isinstance(self.space, DirectSum)

    def point(self, library: str, dtype: str, seed: tuple[int, ...], look: str = "plain") -> Any:
        """A point; the same numbers for the same seed and look, in every library."""
        import numpy as np

        values = Values(library, dtype, seed=0)
        rng = np.random.default_rng(seed)

        def make(*shape: int) -> Array:
            return values.array(LOOKS[look](rng.standard_normal(shape)))

        return self.make(make)


def _holes(array: ndarray) -> ndarray:
    return array * (abs(array) > 0.7)


def _signs(array: ndarray) -> ndarray:
    return (array > 0) * 2.0 - 1.0


LOOKS: dict[str, Callable[[ndarray], ndarray]] = {
    "plain": lambda array: array,
    "zero": lambda array: 0.0 * array,
    "holes": _holes,  # many zeros
    "signs": _signs,  # entries of equal magnitude, and sums that cancel
    "small": lambda array: 1e-12 * array,
    "large": lambda array: 1e10 * array,
}
"""What normally distributed numbers are turned into, so that the rare cases come up."""


def _lora(make: MakeArray) -> LowRank:
    return LowRank(make(7, 2), make(2, 5), 0.5)


def _full_rank() -> LowRankSpace:
    return LowRankSpace(Compression(rank=5))  # of a matrix (7, 5): compressed, and nothing is lost


SAMPLES: tuple[Sample, ...] = (
    Sample(name="additive", space=AdditiveSpace(), make=lambda make: make(3, 4)),
    Sample(name="additive, one entry", space=AdditiveSpace(), make=lambda make: make(1)),
    Sample(name="low rank", space=LowRankSpace(), make=_lora, undenses=False),
    Sample(name="low rank, compressed", space=_full_rank(), make=_lora),
    Sample(name="factors", space=FactorwiseSpace((7, 2), (2, 5), 0.5), make=_lora),
    Sample(
        name="multiplicative",
        space=MultiplicativeSpace(),
        make=lambda make: 1.0 + 0.3 * make(6, 1),
    ),
    Sample(name="prefix", space=PrefixSpace(), make=lambda make: make(3, 8)),
    Sample(
        name="direct sum",
        space=DirectSum(
            {
                "down": AdditiveSpace(),
                "query": _full_rank(),
                "layer": DirectSum({"scale": MultiplicativeSpace(), "bias": AdditiveSpace()}),
            }
        ),
        make=lambda make: {
            "down": make(2, 3),
            "query": _lora(make),
            "layer": {"scale": 1.0 + 0.3 * make(4, 1), "bias": make(2)},
        },
    ),
)
"""One of every space that the bundled architectures use."""
