"""What scalars mean: YAML 1.2's core schema, each known trap by name."""

from __future__ import annotations

import pytest

from xlmerge.errors import RecipeError
from xlmerge.recipe.yaml_loader import parse_yaml


def value_of(scalar: str) -> object:
    data = parse_yaml(f"a: {scalar}\n", "r.yaml").data
    assert isinstance(data, dict)
    return data["a"]


@pytest.mark.parametrize(
    "text",
    [
        *["no", "No", "NO", "yes", "Yes", "on", "On", "OFF", "off", "n", "y", "N", "Y"],
        *["1_000", "1:30", "190:20:30", "2024-01-31", "2001-12-14t21:59:43.10-05:00", "0b101"],
        *[
            "0o8",
            "0xg",
            "+0x1",
            "-0o7",
            "1e",
            "e5",
            ".",
            "+",
            "-.",
            "1.2.3",
            "tRuE",
            "nULL",
            "=",
            "<<",
        ],
        *["inf", "nan", "Infinity", "NaN", "1,5", "٣"],
    ],
)
def test_stays_text(text: str) -> None:
    assert value_of(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-2", -2),
        ("+3", 3),
        ("012", 12),
        ("-007", -7),
        ("00", 0),
        ("0o17", 15),
        ("0x1F", 31),
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        ("1e+5", 1e5),
        (".5", 0.5),
        ("-.5", -0.5),
        ("5.", 5.0),
        ("+1.5", 1.5),
        ("-0.0", 0.0),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ("0" * 5000 + "7", 7),
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("null", None),
        ("Null", None),
        ("~", None),
        ("", None),
    ],
)
def test_has_the_value_and_type_of_the_core_schema(text: str, value: object) -> None:
    assert value_of(text) == value
    assert type(value_of(text)) is type(value)


@pytest.mark.parametrize("text", ["'no'", '"1"', "'true'", "'null'", "''", "|-\n  12"])
def test_quoted_is_text(text: str) -> None:
    assert isinstance(value_of(text), str)


@pytest.mark.parametrize(
    "text",
    [
        ".inf",
        "-.INF",
        "+.Inf",
        ".nan",
        ".NaN",
        "1e999",
        "-1e999",
        "9" * 400,
        "9" * 5000,
        "0x" + "F" * 300,
    ],
)
def test_refuses_numbers_that_are_not_finite(text: str) -> None:
    with pytest.raises(RecipeError) as caught:
        value_of(text)
    (problem,) = caught.value.problems
    assert problem.where == "r.yaml:1:4"
    assert "finite" in problem.message or "too large" in problem.message


def test_keys_are_the_text_that_was_written() -> None:
    text = "no: a\n1: b\ntrue: c\nnull: d\n012: e\n1.50: f\n~: g\n2024-01-31: h\n.inf: i\n"
    data = parse_yaml(text, "r.yaml").data
    assert data == {
        "no": "a",
        "1": "b",
        "true": "c",
        "null": "d",
        "012": "e",
        "1.50": "f",
        "~": "g",
        "2024-01-31": "h",
        ".inf": "i",
    }
