"""Two adapters side by side: whether they can be merged, and how far apart they are."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from xlmerge.checkpoint.compatibility import BaseModel, compare_layouts
from xlmerge.engine.reading import PointReader
from xlmerge.spaces.protocol import ignore

if TYPE_CHECKING:
    from xlmerge.checkpoint.cover import AdapterLayout

__all__ = ["Comparison", "PartFigures", "compare_adapters"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFigures:
    """How two adapters relate in one part of one layer.

    Attributes:
        part: ``bottleneck``, ``invertible``, ``lora``, ...
        layer: Layer, None outside the layers.
        norms: Euclidean norm of what each adds.
        distance: Norm of the difference, relative to the larger of the two norms.
        cosine: Cosine of the angle between them, in [-1, 1]; 0 if one of them is zero.
    """

    part: str
    layer: int | None
    norms: tuple[float, float]
    distance: float
    cosine: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two adapters compared.

    Attributes:
        problems: What stands against merging them; empty if nothing does.
        warnings: What is unknown.
        parts: Figures by part and layer; empty if they cannot be compared.
        identical: Whether all parameters are equal.
    """

    problems: list[str]
    warnings: list[str]
    parts: list[PartFigures]
    identical: bool

    def as_data(self) -> dict[str, Any]:
        """The comparison as plain data."""
        return asdict(self)


def compare_adapters(
    first: AdapterLayout, second: AdapterLayout, names: tuple[str, str]
) -> Comparison:
    """Compare two adapters; reads every tensor once.

    Raises:
        CheckpointError: A tensor cannot be read, or is not finite.
    """
    layouts = {names[0]: first, names[1]: second}
    verdict = compare_layouts(layouts, BaseModel(), any_dtype=True)
    comparable = set(first.parameters()) == set(second.parameters()) and all(
        parameter.shape == second.parameters()[name].shape
        for name, parameter in first.parameters().items()
    )
    parts = _parts(first, second, names) if comparable else []
    return Comparison(
        problems=[str(problem) for problem in verdict.problems],
        warnings=verdict.warnings,
        parts=parts,
        identical=bool(parts) and all(part.distance == 0 for part in parts),
    )


def _parts(
    first: AdapterLayout, second: AdapterLayout, names: tuple[str, str]
) -> list[PartFigures]:
    readers = [
        PointReader(name, layout) for name, layout in zip(names, (first, second), strict=True)
    ]
    others = second.parameters()
    sums: dict[tuple[str, int | None], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for covered, bundle in first.bundles():
        for parameter in bundle.parameters:
            space = covered.half.space([parameter, others[parameter.name]], ignore)
            a, b = (space.delta(reader.point(parameter.name)) for reader in readers)
            difference = space.lincomb([1.0, -1.0], [a, b])
            products = sums[parameter.part, parameter.layer]
            products[0] += space.inner(a, a)
            products[1] += space.inner(b, b)
            products[2] += space.inner(difference, difference)
    return [
        _figures(part, layer, *sums[part, layer])
        for part, layer in sorted(
            sums, key=lambda place: (place[1] is None, place[1] or 0, place[0])
        )
    ]


def _figures(part: str, layer: int | None, aa: float, bb: float, dd: float) -> PartFigures:
    a, b, d = (math.sqrt(max(0.0, square)) for square in (aa, bb, dd))
    largest = max(a, b)
    # <a, b> from the three norms: one pass less over the tensors.
    cosine = max(-1.0, min(1.0, (aa + bb - dd) / (2 * a * b))) if a > 0 and b > 0 else 0.0
    return PartFigures(
        part=part,
        layer=layer,
        norms=(a, b),
        distance=d / largest if largest > 0 else 0.0,
        cosine=cosine,
    )
