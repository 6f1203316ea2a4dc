"""Patterns: which value a parameter gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlmerge.errors import ParameterError
from xlmerge.plan.patterns import check_patterns, check_single_values, constant, value_for
from xlmerge.plugin import Parameter
from xlmerge.plugin.parameters import Between, ParameterSpec


def parameter(
    layer: int | None = 3, site: str = "attention.self.query", part: str = "lora"
) -> Parameter:
    start = "" if layer is None else f"encoder.layer.{layer}."
    return Parameter(name=start + site, part=part, layer=layer, site=site, shape=(2, 2))


LORA = parameter()
NICE = parameter(None, "invertible_adapters.F.0.weight", "invertible")
ALL = [*(parameter(layer) for layer in range(5)), NICE]


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("layers.3", True),
        ("layer.3", True),
        ("layers.0-3", True),
        ("layers.0-2", False),
        ("layers.4-9", False),
        ("layers.1,3", True),
        ("layers.0-1,3-4", True),
        ("layers.30", False),
        ("lora", True),
        ("bottleneck", False),
        ("attention.*", True),
        ("attention.self.query", True),
        ("attention.self", False),
        ("*.query", True),
        ("encoder.layer.3.*", True),
        ("encoder.layer.[0-2].*", False),
        ("LORA", False),
        ("layers.x", False),
    ],
)
def test_what_a_pattern_matches(pattern: str, matches: bool) -> None:
    assert value_for({pattern: 1.0, "default": 2.0}, LORA) == (1.0 if matches else 2.0)


def test_a_part_outside_the_layers() -> None:
    assert value_for({"layers.0-99": 1.0, "invertible": 2.0}, NICE) == 2.0


@pytest.mark.parametrize("word", ["default", "*"])
def test_the_default_comes_last_wherever_it_stands(word: str) -> None:
    assert value_for({word: 1.0, "lora": 2.0}, LORA) == 2.0
    assert value_for({"lora": 2.0, word: 1.0}, LORA) == 2.0
    assert value_for({word: 1.0, "ia3": 2.0}, LORA) == 1.0


def test_the_last_that_matches_decides() -> None:
    assert value_for({"layers.0-9": 1.0, "lora": 2.0, "*.query": 3.0}, LORA) == 3.0
    assert value_for({"*.query": 3.0, "lora": 2.0, "layers.0-9": 1.0}, LORA) == 1.0


@given(st.lists(st.sampled_from(["lora", "layers.3", "*.query", "default", "ia3"]), unique=True))
def test_a_value_is_one_that_was_given(patterns: list[str]) -> None:
    values = {pattern: float(index) for index, pattern in enumerate(patterns)}
    if set(patterns) <= {"ia3"}:
        with pytest.raises(ParameterError, match="no pattern gives a value"):
            value_for(values, LORA)
    else:
        matching = [p for p in patterns if p not in {"ia3", "default"}] or ["default"]
        assert value_for(values, LORA) == values[matching[-1]]


@given(st.floats(allow_nan=False))
def test_a_plain_value_is_everyones(value: float) -> None:
    assert value_for(value, LORA) == value
    check_patterns("`t`", value, ALL)
    constant("`t`", value, ALL, "adapter")


def test_every_parameter_needs_a_value() -> None:
    with pytest.raises(ParameterError) as caught:
        check_patterns("`t`", {"layers.0-3": 1.0}, ALL)
    for word in ("`t`", "encoder.layer.4.attention.self.query", "layers.0-3", "`default:`"):
        assert word in str(caught.value)


def test_an_idle_pattern_is_an_error_and_says_what_there_is() -> None:
    with pytest.raises(ParameterError) as caught:
        check_patterns("`t`", {"bottelneck": 1.0, "default": 2.0}, ALL)
    for word in ("`t`", "'bottelneck'", "parts invertible, lora", "layers.0-4", "attention.self.q"):
        assert word in str(caught.value)


def test_a_pattern_that_later_ones_cover_is_idle() -> None:
    with pytest.raises(ParameterError, match="later patterns decide all it matches"):
        check_patterns("`t`", {"layers.2": 1.0, "layers.0-4": 2.0, "*": 0.0}, ALL)


def test_an_idle_default_is_none() -> None:
    check_patterns("`t`", {"layers.0-4": 1.0, "invertible": 2.0, "default": 3.0}, ALL)


def test_one_value_where_the_method_sees_all_at_once() -> None:
    with pytest.raises(ParameterError) as caught:
        constant("`t`", {"lora": 1.0, "invertible": 2.0}, ALL, "adapter")
    for word in ("`t`", "whole adapter", "1.0, 2.0", "`scope`"):
        assert word in str(caught.value)
    constant("`t`", {"lora": 1.0, "invertible": 1.0}, ALL, "adapter")


def test_single_values_are_checked() -> None:
    spec = ParameterSpec(name="t", type=float, range=Between(0, 1))
    assert check_single_values(spec, {"lora": 1, "*": 0.5}) == {"lora": 1.0, "*": 0.5}
    with pytest.raises(ParameterError, match=r"\[0, 1\]; found 2"):
        check_single_values(spec, {"lora": 2, "*": 0.5})
    with pytest.raises(ParameterError, match="a pattern is a text; found 3") as caught:
        check_single_values(spec, {3: 0.5})
    assert "layers.3" in str(caught.value)
