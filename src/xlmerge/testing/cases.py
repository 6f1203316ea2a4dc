"""One call of a merge method, drawn at random."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from xlmerge.plugin import AtLeast, Between, Random
from xlmerge.plugin.parameters import REQUIRED
from xlmerge.testing.samples import LOOKS, SAMPLES, Sample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xlmerge.plugin import MergeMethod, ParameterSpec

__all__ = ["MergeCase", "cases", "fitting_samples", "parameter_values", "plain_case"]

MOST = 4
"""No more adapters than these are merged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeCase:
    """All that decides one call of a merge method; the same case gives the same call.

    Attributes:
        method: The method.
        sample: The space, and what its points look like.
        library: Import name of the namespace that the arrays come from.
        dtype: ``float32`` or ``float64``.
        look: One of ``LOOKS``.
        seed: Which numbers.
        order: The adapters: which of the numbers each has, in the order the method gets them. The
            same index twice is the same adapter twice.
        weights: The weight of each index; None if the method gets none.
        roles: The roles that are filled.
        parameters: The method's parameters.
    """

    method: MergeMethod
    sample: Sample
    library: str = "numpy"
    dtype: str = "float64"
    look: str = "plain"
    seed: int = 0
    order: tuple[int, ...] = ()
    weights: tuple[float, ...] | None = None
    roles: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def adapters(self) -> list[Any]:
        """Fresh points of the adapters."""
        return [self._point(index) for index in self.order]

    def roles_filled(self) -> dict[str, Any]:
        """Fresh points of the roles."""
        return {role: self._point(100 + at) for at, role in enumerate(self.roles)}

    def call(self, adapters: Sequence[Any], roles: Mapping[str, Any]) -> Any:
        """The method's result on these points."""
        arguments = {**self.parameters, **roles}
        if self.method.count is not None:
            arguments["adapters"] = list(adapters)
        if self.weights is not None:
            arguments["weights"] = [self.weights[index] for index in self.order]
        if self.method.random:
            names = [f"adapter {index}" for index in self.order]
            arguments["rng"] = Random(self.seed, "parameter", names)
        return self.method(self.sample.space, **arguments)

    def result(self) -> Any:
        """The method's result on fresh points."""
        return self.call(self.adapters(), self.roles_filled())

    def _point(self, index: int) -> Any:
        return self.sample.point(self.library, self.dtype, (self.seed, index), self.look)


def fitting_samples(method: MergeMethod, samples: Sequence[Sample] = SAMPLES) -> list[Sample]:
    """The samples that the engine could give to a method."""
    return [
        sample
        for sample in samples
        if (sample.undenses or not method.elementwise)
        and (not sample.several or set(method.scopes) & {"layer", "adapter"})
    ]


def plain_case(
    method: MergeMethod,
    sample: Sample,
    *,
    count: int | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> MergeCase:
    """A case without chance: required roles, defaults, and weights that sum to 1.

    Args:
        method: The method.
        sample: The space.
        count: How many adapters; the fewest that make a merge if None.
        parameters: Parameters that are not left at their defaults.
    """
    if method.count is None:
        count = 0
    elif count is None:
        count = max(2, method.count.least) if method.count.most != 1 else 1
    weights = None
    if count and method.weighted != "no":
        weights = (1.0,) if count == 1 else (0.25, 0.75, *[0.0] * (count - 2))
    return MergeCase(
        method=method,
        sample=sample,
        order=tuple(range(count)),
        weights=weights,
        roles=tuple(role.name for role in method.roles if role.required),
        parameters=dict(parameters or {}),
    )


@st.composite
def cases(
    draw: st.DrawFn,
    method: MergeMethod,
    *,
    samples: Sequence[Sample] = SAMPLES,
    parameters: Mapping[str, Any] | None = None,
    weights_sum_to_one: bool = False,
) -> MergeCase:
    """Cases of a method, in float64 NumPy.

    Args:
        draw: Given by Hypothesis.
        method: The method.
        samples: Spaces to try.
        parameters: Values of parameters that are not to be drawn.
        weights_sum_to_one: Whether the method takes no other weights.
    """
    order: tuple[int, ...] = ()
    weights: tuple[float, ...] | None = None
    if method.count is not None:
        least = method.count.least
        most = max(least, min(method.count.most or MOST, MOST))
        count = draw(st.integers(least, most))
        order = tuple(range(count))
        if draw(st.integers(0, 4)) == 0:
            order = (0,) * count  # the same adapter every time
        if method.weighted == "required" or (method.weighted == "optional" and draw(st.booleans())):
            weights = draw(_weights(count, sum_to_one=weights_sum_to_one))
    fixed = dict(parameters or {})
    drawn = {
        spec.name: draw(parameter_values(spec))
        for spec in method.parameters
        if spec.name not in fixed
    }
    return MergeCase(
        method=method,
        sample=draw(st.sampled_from(fitting_samples(method, samples))),
        look=draw(st.sampled_from(sorted(LOOKS))),
        seed=draw(st.integers(0, 2**16)),
        order=order,
        weights=weights,
        roles=tuple(role.name for role in method.roles if role.required or draw(st.booleans())),
        parameters={**drawn, **fixed},
    )


@st.composite
def _weights(draw: st.DrawFn, count: int, *, sum_to_one: bool) -> tuple[float, ...]:
    # Eighths, so that sums are exact and zero comes up.
    eighths = [draw(st.integers(-16, 16)) for _ in range(count)]
    if sum_to_one:
        eighths[-1] = 8 - sum(eighths[:-1])
    return tuple(eighth / 8 for eighth in eighths)


def parameter_values(spec: ParameterSpec) -> st.SearchStrategy[Any]:
    """Values that a parameter declares to take."""
    if spec.many:
        one = parameter_values(replace(spec, many=False, optional=False, default=REQUIRED))
        return st.lists(one, min_size=1, max_size=4).map(tuple)
    default = st.nothing() if spec.required else st.just(spec.default)
    if spec.choices:
        return st.sampled_from(spec.choices)
    if spec.type is bool:
        return st.booleans()
    if spec.type is str:
        return default
    if spec.type is int:
        low = 0 if spec.range is None else int(spec.range.low) + _is_open(spec.range)
        high = int(spec.range.high) if isinstance(spec.range, Between) else low + 8
        return default | st.integers(low, high)
    return default | _floats(spec.range)


def _floats(range_: Between | AtLeast | None) -> st.SearchStrategy[float]:
    if range_ is None:
        return st.floats(-2, 2, width=32)
    high = range_.high if isinstance(range_, Between) else range_.low + 4
    return st.floats(
        range_.low,
        high,
        exclude_min=_is_open(range_),
        exclude_max=isinstance(range_, Between) and range_.open_high,
        allow_subnormal=False,
    )


def _is_open(range_: Between | AtLeast) -> bool:
    return range_.open_low if isinstance(range_, Between) else range_.open
