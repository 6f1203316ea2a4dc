"""Whatever the text: a recipe, or a RecipeError with a position for each problem."""

from __future__ import annotations

import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xlmerge.errors import RecipeError
from xlmerge.recipe import recipe_from_text
from xlmerge.recipe.overrides import apply_overrides
from xlmerge.recipe.yaml_loader import parse_yaml

RECIPE = """\
version: 1
base_model: FacebookAI/xlm-roberta-base # hub
base_model_aliases: [a, 'b', "c"]
adapters: &all
  english: AdapterHub/en@main
  no: ./no
  language: ./<language>
datasets: {d: {path: d/<language>, limit: {train: 3}}, e: hub/e}
heads:
  h: {path: h/<seed>, task: sort, labels: [x, y]}
steps:
  learn:
    for_each: {seed: [0, 1]}
    train: fit
    on: {stack: [language/jav, no]}
    data: {train: {d/jav: 0.5, e: 1}, validation: e}
    adapter: {config: c, r: 2}
    with: {seed: <seed>}
  table:
    evaluate: {sort: {width: 3}}
    for_each: {language: [jav, sun], seed: [0, 1]}
    data: d
    rows: {one: learn, two: {average: {language: 0.5, learn: 0.5}}}
    head: h
    baseline: one
  bridge:
    merge: linear
    adapters: {english: 0.4, no: &w 1e-3}
    with: {t: {"layers.0-5": *w}, list: [1, x, null]}
  final:
    merge: adamergex
    roles: {task: english, other: bridge}
    heads: from no
    dtype: float32
"""

SNIPPETS = st.sampled_from(
    [
        *["\n", "\t", " ", ":", ": ", "- ", "? ", "[", "]", "{", "}", ",", "'", '"', "|", ">", "#"],
        *["&w ", "*w", "*all", "!!int ", "!", "%YAML 1.1\n", "---\n", "...\n", "<<: ", "~", "null"],
        *["\\", "\\ud800", "\\UFFFFFFFF", "\x00", "\x07", "\u2028", "\x85", "\ufeff", "\ud800"],
        *[".inf", ".nan", "1e999", "0x", "012", "true", "no", "@", "`", "drop", "bridge", "from "],
        *["train: x", "for_each: ", "datasets: ", "english", "  ", "    ", "merge: ", "[key]"],
        *["<seed>", "<language>", "language/", "/jav", "learn", "rows: ", "seed", "table", "h"],
        *["<one>", "<list>", "<patterns>", "9" * 400, "{" * 30, "[" * 60],
    ]
)
EDITS = st.lists(st.tuples(st.integers(0, len(RECIPE)), st.integers(0, 12), SNIPPETS), max_size=6)
SETTINGS = settings(max_examples=300, deadline=5000, suppress_health_check=list(HealthCheck))


def check(text: str, *overrides: str) -> None:
    try:
        loaded = recipe_from_text(text, "r.yaml", overrides)
    except RecipeError as error:
        caught = error
    else:
        assert {step.step for step in loaded.expansion.steps} == set(loaded.recipe.steps)
        return
    assert caught.problems
    for problem in caught.problems:
        where = str(problem.where)
        assert re.fullmatch(r"r\.yaml:[0-9]+:[0-9]+|r\.yaml|--set .*", where, re.DOTALL), where


def test_the_recipe_to_start_from_is_right() -> None:
    assert len(recipe_from_text(RECIPE, "r.yaml").expansion.steps) == 5


def edited(edits: list[tuple[int, int, str]]) -> str:
    text = RECIPE
    for start, length, snippet in edits:
        text = text[:start] + snippet + text[start + length :]
    return text


ANY_TEXT = st.text(st.characters(codec=None), max_size=200)
YAML_LIKE = st.lists(SNIPPETS | st.text("ab1:-[]{}&*!|>'\"%@`#,? \n\t", max_size=8)).map("".join)


@SETTINGS
@given(ANY_TEXT | YAML_LIKE)
def test_any_text(text: str) -> None:
    check(text)


@SETTINGS
@given(EDITS.map(edited))
def test_mutated_recipes(text: str) -> None:
    check(text)


@SETTINGS
@given(st.lists(SNIPPETS | st.sampled_from(RECIPE.splitlines(keepends=True)), max_size=20))
def test_shuffled_lines(lines: list[str]) -> None:
    check("".join(lines))


PATHS = st.sampled_from(
    ["version", "steps.bridge", "steps.bridge.with.t", "adapters", "x.y", "steps"]
)


@SETTINGS
@given(st.lists(ANY_TEXT | YAML_LIKE | st.builds("{}={}".format, PATHS, YAML_LIKE), max_size=3))
def test_any_override(overrides: list[str]) -> None:
    check(RECIPE, *overrides)


TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text("ab-", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *["version", "adapters", "steps", "merge", "roles", "with", "heads", "dtype"],
                    *["format", "a", "b", "s", "train", "datasets", "base_model_aliases"],
                    *["for_each", "on", "data", "rows", "compose", "evaluate", "path", "weights"],
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@SETTINGS
@given(
    st.sampled_from(
        [
            "version",
            "adapters",
            "steps",
            "steps.bridge",
            "steps.bridge.with",
            "steps.bridge.adapters",
            "steps.final.roles",
            "steps.final.heads",
            "steps.final",
            "base_model_aliases",
            "adapters.no",
            *("steps.learn", "steps.learn.on", "steps.learn.data", "steps.learn.adapter"),
            *("steps.learn.for_each", "steps.learn.with", "steps.learn.task", "steps.table"),
            *("steps.table.rows", "steps.table.rows.one", "steps.table.head", "steps.table.data"),
            *("steps.table.for_each", "steps.table.evaluate", "steps.table.with"),
            *("datasets", "datasets.d", "datasets.d.limit", "heads", "heads.h", "heads.h.labels"),
        ]
    ),
    TREES,
)
def test_any_tree_anywhere(path: str, tree: object) -> None:
    import json

    check(RECIPE, f"{path}={json.dumps(tree, allow_nan=True)}".replace("Infinity", "1"))


@SETTINGS
@given(ANY_TEXT)
def test_quoted_text_comes_back(text: str) -> None:
    clean = "".join(c for c in text if c.isprintable())
    quoted = "'" + clean.replace("'", "''") + "'"
    document = parse_yaml(f"a: {quoted}\n", "r.yaml")
    assert document.data == {"a": clean}
    assert apply_overrides(parse_yaml("{}", "r.yaml"), [f"a={quoted}"]).data == {"a": clean}
