"""Declarations read off signatures, and values checked against them."""

from __future__ import annotations

import functools
import math
from typing import Annotated, Any, Literal

import pytest

from xlmerge.errors import ParameterError
from xlmerge.plugin import AtLeast, Between, ParameterSpec
from xlmerge.plugin.parameters import REQUIRED, parameter_spec, parameter_specs


@pytest.mark.parametrize(
    ("annotation", "default", "words"),
    [
        (float, 0.5, "number, default 0.5"),
        (float, REQUIRED, "number, required"),
        (Annotated[float, Between(0, 1)], 0.5, "number in [0, 1], default 0.5"),
        (Annotated[float, Between(0, 1, open_low=True)], 1, "number in (0, 1], default 1"),
        (Annotated[int, AtLeast(1)], 3, "whole number at least 1, default 3"),
        (Annotated[float, AtLeast(0, open=True)], 3.0, "number above 0, default 3.0"),
        (int | None, None, "whole number, default none"),
        (bool, True, "true or false, default true"),
        (Literal["mean", "sum"], "sum", "mean or sum, default sum"),
        (Annotated[str | None, "a text"], REQUIRED, "text, required"),
        (tuple[int, ...], (-1,), "list of whole numbers, default -1"),
        (
            Annotated[tuple[int, ...], AtLeast(0)],
            (0, 2),
            "list of whole numbers at least 0, default 0, 2",
        ),
        (tuple[Literal["a", "b"], ...], REQUIRED, "list of a or b, required"),
        (tuple[float, ...] | None, None, "list of numbers, default none"),
    ],
)
def test_describe(annotation: Any, default: Any, words: str) -> None:
    assert parameter_spec("p", annotation, default).describe() == words


@pytest.mark.parametrize(
    ("annotation", "default", "words"),
    [
        (list, REQUIRED, "a parameter is float, int, bool, str or a Literal"),
        (int | float, REQUIRED, "a parameter has one type"),
        (tuple[int, int], REQUIRED, "or a tuple of one of these"),
        (tuple[tuple[int, ...], ...], REQUIRED, "or a tuple of one of these"),
        (tuple[int, ...], (), "the default breaks its own declaration"),
        (tuple[int, ...], (0.5,), "the default breaks its own declaration"),
        (Literal["a", 1], REQUIRED, "choices are texts"),
        (Annotated[float, Between(0, 1), AtLeast(0)], REQUIRED, "one range and one text"),
        (Annotated[float, 3], REQUIRED, "one range and one text"),
        (Annotated[float, Between(0, 1)], 2.0, "the default breaks its own declaration"),
        (float, None, "the default breaks its own declaration"),
    ],
)
def test_what_is_no_declaration(annotation: Any, default: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        parameter_spec("p", annotation, default)


SHARE = ParameterSpec(name="share", type=float, range=Between(0, 1, open_high=True))
COUNT = ParameterSpec(name="count", type=int, range=AtLeast(1), optional=True)
FLAG = ParameterSpec(name="flag", type=bool)
KIND = ParameterSpec(name="kind", type=str, choices=("mean", "sum"))
PLACES = ParameterSpec(name="places", type=int, range=AtLeast(-1), many=True)
RATES = ParameterSpec(name="rates", type=float, many=True, optional=True)


@pytest.mark.parametrize(
    ("spec", "value"),
    [(SHARE, 0.0), (SHARE, 0), (COUNT, 1), (COUNT, None), (FLAG, False), (KIND, "sum")],
)
def test_good_values(spec: ParameterSpec, value: Any) -> None:
    checked = spec.check(value)
    assert checked == value
    assert checked is None or type(checked) is spec.type


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        (SHARE, 1.0),
        (SHARE, -1e-9),
        (SHARE, math.nan),
        (SHARE, math.inf),
        pytest.param(SHARE, 10**400, id="huge"),
        pytest.param(SHARE, -(10**400), id="-huge"),
        (SHARE, None),
        (SHARE, "0.5"),
        (SHARE, True),
        (COUNT, 0),
        (COUNT, 1.0),
        (COUNT, True),
        (FLAG, 1),
        (FLAG, "true"),
        (KIND, "median"),
        (KIND, 1),
    ],
)
def test_bad_values(spec: ParameterSpec, value: Any) -> None:
    with pytest.raises(ParameterError, match=f"`{spec.name}` expects .*; found "):
        spec.check(value)


@pytest.mark.parametrize(
    ("spec", "value", "checked"),
    [
        (PLACES, [1, -1], (1, -1)),
        (PLACES, (2,), (2,)),
        (PLACES, 3, (3,)),
        (RATES, [1, 0.5], (1.0, 0.5)),
        (RATES, None, None),
    ],
)
def test_lists_become_tuples_and_one_value_a_list_of_one(
    spec: ParameterSpec, value: Any, checked: Any
) -> None:
    found = spec.check(value)
    assert found == checked
    assert found is None or all(type(each) is spec.type for each in found)


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        (PLACES, []),
        (PLACES, None),
        (PLACES, "1"),
        (PLACES, [1, "2"]),
        (PLACES, [1, True]),
        (PLACES, [1.5]),
        (PLACES, [0, -2]),
        (PLACES, [[1]]),
        (PLACES, {1: 2}),
        (RATES, [None]),
        (RATES, [math.nan]),
    ],
)
def test_bad_lists(spec: ParameterSpec, value: Any) -> None:
    with pytest.raises(ParameterError, match=f"`{spec.name}` expects .*; found "):
        spec.check(value)


def test_only_keyword_only_arguments_are_parameters() -> None:
    def function(space: object, *, t: float = 1.0, seed: int = 0) -> None: ...

    assert [spec.name for spec in parameter_specs(function)] == ["t", "seed"]
    assert [spec.name for spec in parameter_specs(function, skip=["seed"])] == ["t"]


def unannotated(*, rank=3) -> None:  # noqa: ANN001
    """An option that says nothing of itself."""


class Callable_:  # noqa: N801
    def __call__(self, *, rank: int = 3) -> None: ...


def test_an_option_needs_an_annotation() -> None:
    with pytest.raises(TypeError, match="`rank` has no annotation"):
        parameter_specs(unannotated)


@pytest.mark.parametrize("thing", [functools.partial(unannotated), Callable_(), Callable_, 3])
def test_only_signatures_of_functions_can_be_read(thing: Any) -> None:
    with pytest.raises(TypeError, match="expected a function"):
        parameter_specs(thing)
