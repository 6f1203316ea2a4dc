"""``--set key=value``."""

from __future__ import annotations

import pytest

from xlmerge.errors import Problem, RecipeError
from xlmerge.recipe import Recipe, recipe_from_text
from xlmerge.recipe.overrides import apply_overrides
from xlmerge.recipe.yaml_loader import parse_yaml

RECIPE = """\
version: 1
adapters: {english: ./en, german: ./de}
steps:
  bridge:
    merge: linear
    adapters: {english: 1, german: 2}
    with: {t: {layers.0-5: 1}}
  both:
    merge: ties
    adapters: [english, german]
    with:
"""


def recipe(*overrides: str) -> Recipe:
    return recipe_from_text(RECIPE, "r.yaml", ["steps.both.with={}", *overrides]).recipe


def problems(*overrides: str) -> tuple[Problem, ...]:
    with pytest.raises(RecipeError) as caught:
        recipe(*overrides)
    return caught.value.problems


def test_sets_scalars_by_the_rules_of_recipes() -> None:
    step = recipe(
        "steps.bridge.with.t=0.5",
        "steps.bridge.adapters.english=1e-3",
        "steps.bridge.with.language=no",
        "steps.bridge.with.rank= 8 ",
        "steps.bridge.with.text='a = b'",
        "steps.bridge.with.nothing=null",
        "steps.bridge.with.list=[1, no, {}]".replace(", {}", ""),
        "steps.bridge.with.equals=a=b",
    ).steps["bridge"]
    assert step.adapters == {"english": 1e-3, "german": 2}
    assert step.with_ == {
        "t": 0.5,
        "language": "no",
        "rank": 8,
        "text": "a = b",
        "nothing": None,
        "list": (1, "no"),
        "equals": "a=b",
    }


def test_quoted_segments() -> None:
    made = recipe(
        'steps.bridge.with.t."layers.0-5"=0.1',
        'steps.bridge.with.t."a\\"=b"=2',
    )
    assert made.steps["bridge"].with_["t"] == {"layers.0-5": 0.1, 'a"=b': 2}


def test_list_items_and_whole_values() -> None:
    made = recipe("steps.both.adapters.1=bridge", "adapters.german=/new", "base_model=m")
    assert made.steps["both"].adapters == ("english", "bridge")
    assert made.adapters["german"] == "/new"
    assert made.base_model == "m"
    assert recipe("steps.both.adapters={english: 2}").steps["both"].adapters == {"english": 2}


def test_makes_what_is_missing_on_the_way() -> None:
    made = recipe("steps.new.merge=linear", "steps.new.adapters=[both]", "steps.both.with.a.b=1")
    assert made.steps["new"].inputs() == ("both",)
    assert made.steps["both"].with_ == {"a": {"b": 1}}


def test_a_key_without_value_is_filled() -> None:
    made = recipe_from_text(RECIPE, "r.yaml", ["steps.both.with.t=1"]).recipe
    assert made.steps["both"].with_ == {"t": 1}


def test_later_overrides_win() -> None:
    made = recipe("steps.both.with.t=1", "steps.both.with={u: 2}", "steps.both.with.u=3")
    assert made.steps["both"].with_ == {"u": 3}


def test_leaves_the_document_alone() -> None:
    document = parse_yaml("a: {b: [1]}\n", "r.yaml")
    changed = apply_overrides(document, ["a.b.0=2"])
    assert document.data == {"a": {"b": [1]}}
    assert changed.data == {"a": {"b": [2]}}
    assert document.position(("a", "b", 0)) == "r.yaml:1:9"
    assert changed.position(("a", "b", 0)) == "--set a.b.0"
    assert changed.position(("a", "b")) == "r.yaml:1:8"
    assert changed.key_position(("a", "b")) == "r.yaml:1:5"


def test_positions_inside_a_replaced_value_are_the_option() -> None:
    changed = apply_overrides(parse_yaml("a: {b: {c: 1}}\n", "r.yaml"), ["a={b: {c: 2}}"])
    assert changed.position(("a", "b", "c")) == "--set a"
    assert changed.key_position(("a", "b", "c")) == "r.yaml:1:1"
    made = apply_overrides(changed, ["x.y.z=1"])
    assert made.key_position(("x", "y")) == "--set x.y.z"


@pytest.mark.parametrize(
    ("override", "where", "words"),
    [
        ("steps.bridge.with.t", "--set steps.bridge.with.t", "the `=` is missing"),
        ("", "--set ", "expected a key"),
        ("=1", "--set =1", "expected a key"),
        ("a..b=1", "--set a..b=1", "expected a key"),
        ("a.=1", "--set a.=1", "expected a key"),
        ("a. .b=1", "--set a. .b=1", "a part of the key is empty"),
        ('a"b"=1', '--set a"b"=1', "quotes"),
        ('"a=1', '--set "a=1', "expected a key"),
        ('"\\x"=1', '--set "\\x"=1', "not a quoted text"),
        ("version=", "--set version", "no value"),
        ("version= # 1", "--set version", "empty"),
        ("version=[", "--set version", "a value is expected"),
        ("version=@", "--set version", "cannot start with `@`"),
        ("version=!!int 1", "--set version", "no tags"),
        ("version=.nan", "--set version", "not a finite number"),
        ("version=\x07", "--set version", "U+0007"),
        ("version=\udc80", "--set version", "U+DC80"),
        ("version=1\n---\n2", "--set version", "several lines"),
        ("base_model=a: b", "--set base_model", "in YAML's block form"),
        ("base_model=- b", "--set base_model", "in YAML's block form"),
        ("steps.both.with={a: 1, a: 2}", "--set steps.both.with", "written twice"),
        ("version.x=1", "--set version.x", "`version` is the number 1, not a mapping"),
        (
            "steps.bridge.merge.x.y=1",
            "--set steps.bridge.merge.x.y",
            "`steps.bridge.merge` is the text 'linear', not a mapping",
        ),
        ("steps.both.adapters.2=x", "--set steps.both.adapters.2", "without an item `2`"),
        ("steps.both.adapters.x.y=x", "--set steps.both.adapters.x.y", "without an item `x`"),
        ("steps.both.adapters.-1=x", "--set steps.both.adapters.-1", "without an item `-1`"),
        ("steps.bridge.wiht.t=1", "--set steps.bridge.wiht.t", "unknown key `wiht`"),
        ("steps.bridge.with.t=[[1]]", "--set steps.bridge.with.t", "expected a number, a text"),
        ("steps.bridge.adapters.girman=1", "--set steps.bridge.adapters.girman", "no adapter"),
        ("steps.x.y=1", "--set steps.x.y", ""),
    ],
)
def test_refuses(override: str, where: str, words: str) -> None:
    found = problems(override)
    assert {problem.where for problem in found} == {where}
    assert words in found[0].message


def test_problems_of_options_come_together_and_those_of_a_recipe_after_its_own() -> None:
    assert len(problems("a", "b", "version=.inf")) == 3
    found = problems("zzz=1", "yyy=1", "steps.both.merge=''", "version=2")
    assert [problem.where for problem in found] == [
        "--set zzz",
        "--set yyy",
        "--set steps.both.merge",
        "--set version",
    ]


def test_a_document_that_is_no_mapping() -> None:
    with pytest.raises(RecipeError, match="the recipe is the text 'words', not a mapping"):
        apply_overrides(parse_yaml("words", "r.yaml"), ["a=1"])
    assert apply_overrides(parse_yaml("~", "r.yaml"), ["a.b=1"]).data == {"a": {"b": 1}}
