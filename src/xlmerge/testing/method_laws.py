# ruff: noqa: S101 - the asserts of a test suite
"""What every merge method has to keep to, one function a law.

Each takes a method or one case of a call, and raises an ``AssertionError`` that says what is wrong.
A method may refuse a case with an error of xlmerge: that error is passed on.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from xlmerge.errors import ParameterError, XLMergeError
from xlmerge.plugin import AtLeast, Between
from xlmerge.spaces import LazyMapping
from xlmerge.testing.arrays import dense_numbers, leaves, numbers, raw_bytes
from xlmerge.testing.cases import MergeCase, fitting_samples, plain_case
from xlmerge.testing.samples import LOOKS, SAMPLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy import ndarray

    from xlmerge.plugin import MergeMethod, ParameterSpec
    from xlmerge.testing.samples import Sample

__all__ = [
    "check_inputs_unchanged",
    "check_lazy_is_eager",
    "check_one_adapter_comes_back",
    "check_order_is_irrelevant",
    "check_parameters_through_yaml",
    "check_ranges_are_kept",
    "check_result_is_a_point",
    "check_same_call_same_bytes",
    "check_same_numbers_in",
    "check_undeclared_parameter_is_refused",
    "order_matters",
]

TOLERANCE = {"float32": 1e-4, "float64": 1e-9}
"""The relative rounding error that results may differ by."""


def check_inputs_unchanged(case: MergeCase) -> None:
    """A method is a function: it writes to none of its inputs."""
    adapters, roles = case.adapters(), case.roles_filled()
    # Before the call: a copy made afterwards would hold what the method wrote.
    before = raw_bytes([adapters, list(roles.values())])
    numbers(case.call(adapters, roles))
    after = raw_bytes([adapters, list(roles.values())])
    assert after == before, f"{case.method.name} writes to its inputs ({case.sample.name})"


def check_result_is_a_point(case: MergeCase) -> None:
    """The result is a finite point of the same space: as wide, same library, same dtype."""
    [like, *_] = [*case.adapters(), *case.roles_filled().values()]
    result = case.result()
    kinds = [{(type(leaf), leaf.dtype) for leaf in leaves(point)} for point in (like, result)]
    where = f"{case.method.name} in the space {case.sample.name}"
    assert kinds[1] == kinds[0], f"{where}: expected arrays {kinds[0]}, found {kinds[1]}"
    found, expected = (dense_numbers(case.sample.space, point) for point in (result, like))
    assert found.shape == expected.shape, f"{where}: {expected.size} entries became {found.size}"
    finite = abs(found) < float("inf")
    assert finite.all(), f"{where}: {(~finite).sum()} of {found.size} entries are not finite"


def check_same_call_same_bytes(case: MergeCase) -> None:
    """Nothing but the arguments decides the result, down to the last bit."""
    first, second = raw_bytes(case.result()), raw_bytes(case.result())
    assert first == second, f"{case.method.name}: two equal calls gave different bytes"


def check_order_is_irrelevant(case: MergeCase, order: Sequence[int]) -> None:
    """Adapters, with their weights and names, may come in any order."""
    assert not _order_changes(case, order), (
        f"{case.method.name} is declared symmetric, and the order of the adapters changes the "
        f"result ({case.sample.name})"
    )


def order_matters(case: MergeCase) -> bool:
    """Whether turning the order of the adapters round changes the result."""
    return _order_changes(case, case.order[::-1])


def _order_changes(case: MergeCase, order: Sequence[int]) -> bool:
    other = replace(case, order=tuple(order))
    found, expected = (dense_numbers(case.sample.space, each.result()) for each in (other, case))
    return _relative_error(found, expected, case) > TOLERANCE[case.dtype]


def check_same_numbers_in(case: MergeCase, library: str, dtype: str = "float64") -> None:
    """Another array library gives the same numbers, in arrays of its own."""
    expected = dense_numbers(case.sample.space, replace(case, dtype=dtype).result())
    elsewhere = replace(case, library=library, dtype=dtype)
    check_result_is_a_point(elsewhere)
    result = elsewhere.result()
    error = _relative_error(dense_numbers(case.sample.space, result), expected, case)
    assert error <= TOLERANCE[dtype], (
        f"{case.method.name}: {library} gives other numbers than {case.library} in "
        f"{case.sample.name}, off by {error:.1e}"
    )


def check_lazy_is_eager(case: MergeCase) -> None:
    """A direct sum whose members are read anew each time, in any order, is merged the same.

    So the engine holds no more than one parameter of each adapter in memory.
    """
    adapters, roles = case.adapters(), case.roles_filled()
    eager = case.call(adapters, roles)
    expected = {name: raw_bytes(eager[name]) for name in eager}
    lazy = case.call(
        [_lazily(point) for point in adapters],
        {role: _lazily(point) for role, point in roles.items()},
    )
    for name in [*reversed(list(expected)), *expected]:
        assert raw_bytes(lazy[name]) == expected[name], (
            f"{case.method.name}: {name} comes out differently when members are read as needed"
        )


def _lazily(point: Mapping[str, Any]) -> LazyMapping[Any]:
    return LazyMapping(list(point), lambda name: copy.deepcopy(point[name]))


def check_one_adapter_comes_back(
    method: MergeMethod,
    parameters: Mapping[str, Any] | None = None,
    samples: Sequence[Sample] = SAMPLES,
) -> None:
    """One adapter at weight 1 is given back, in every space, or refused with an error of xlmerge.

    Optional roles are empty, parameters at their defaults unless given. A method that asks for more
    than one adapter has refused already.
    """
    if method.count is None or method.count.least > 1 or any(r.required for r in method.roles):
        return
    for sample in fitting_samples(method, samples):
        for look in LOOKS:
            plain = plain_case(method, sample, count=1, parameters=parameters)
            case = replace(plain, look=look)
            try:
                result = case.result()
            except XLMergeError:
                continue
            [adapter] = case.adapters()
            found, expected = (dense_numbers(sample.space, point) for point in (result, adapter))
            error = _relative_error(found, expected, case)
            assert error <= TOLERANCE[case.dtype], (
                f"{method.name}: one adapter at weight 1 comes back changed by {error:.1e} "
                f"({sample.name}, {look}); give it back, or refuse it with a ParameterError"
            )


def check_undeclared_parameter_is_refused(method: MergeMethod) -> None:
    """What the signature does not declare cannot be passed."""
    case = plain_case(method, fitting_samples(method)[0])
    try:
        replace(case, parameters={"no_such_parameter": 1}).result()
    except TypeError:
        return
    raise AssertionError(f"{method.name} takes `no_such_parameter`, which it does not declare")


def check_ranges_are_kept(method: MergeMethod) -> None:
    """Each parameter refuses what its declaration excludes, by name."""
    for spec in method.parameters:
        for value in [*_outside(spec.range), object()]:
            message = _refusal(spec, value)
            assert message is not None, f"{method.name}: `{spec.name}` takes {value!r}"
            assert spec.name in message


def _refusal(spec: ParameterSpec, value: object) -> str | None:
    try:
        spec.check(value)
    except ParameterError as error:
        return error.message
    return None


def _outside(range_: Between | AtLeast | None) -> list[float]:
    if isinstance(range_, Between):
        ends = [range_.low] * range_.open_low + [range_.high] * range_.open_high
        return [range_.low - 1, range_.high + 1, float("nan"), *ends]
    if isinstance(range_, AtLeast):
        return [range_.low - 1, float("nan"), *[range_.low] * range_.open]
    return []


def check_parameters_through_yaml(method: MergeMethod, values: Mapping[str, Any]) -> None:
    """What a recipe says is what the method gets: values survive being written as YAML."""
    import yaml

    from xlmerge.recipe.yaml_loader import parse_yaml

    text = yaml.safe_dump({"with": dict(values)})
    read: Any = parse_yaml(text, "recipe.yaml").data
    for spec in method.parameters:
        if spec.name in values:
            expected, found = spec.check(values[spec.name]), spec.check(read["with"][spec.name])
            assert (type(found), found) == (type(expected), expected), f"{spec.name}: {text}"


def _relative_error(found: ndarray, expected: ndarray, case: MergeCase) -> float:
    """Distance over the largest norm of what went in or came out."""
    import numpy as np

    points = [*case.adapters(), *case.roles_filled().values()]
    operands = [dense_numbers(case.sample.space, point) for point in points]
    size = max(float(np.linalg.norm(each)) for each in (found, expected, *operands))
    return float(np.linalg.norm(found - expected)) / size if size > 0 else 0.0
