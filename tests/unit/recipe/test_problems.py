"""What is wrong with a recipe: one sentence, at the exact position, all together."""

from __future__ import annotations

import pytest

from xlmerge.errors import Problem, RecipeError
from xlmerge.recipe import recipe_from_text

HEAD = """\
version: 1
adapters:
  english: ./en
  german: ./de
steps:
"""  # five lines


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(RecipeError) as caught:
        recipe_from_text(text, "r.yaml")
    return caught.value.problems


def step(lines: str) -> str:
    """A recipe whose step `s` stands in line 6 and has these lines, from line 7 on."""
    return HEAD + "  s:\n" + "".join(f"    {line}\n" for line in lines.splitlines())


@pytest.mark.parametrize(
    ("lines", "where", "message", "hint"),
    [
        (
            "merge: linear\nadaptrs: [english]",
            "8:5",
            "unknown key `adaptrs`",
            "did you mean `adapters`? known keys: `merge`, `adapters`, `roles`, `with`, ",
        ),
        ("mrege: linear\nadapters: [english]", "7:5", "unknown key `mrege`", "`merge`?"),
        ("merge: m\nwith_: {}\nadapters: [english]", "8:5", "unknown key `with_`", "`with`"),
        ("adapters: [english]", "6:3", "the step `s` lacks `merge`", "`merge: METHOD`"),
        (
            "with: {a: 1}",
            "6:3",
            "the step `s` does not say what it does: expected one of `merge`, `train`, `evaluate`",
            "`train: TRAINER`",
        ),
        ("merge: linear", "6:3", "the step `s` has no inputs", "`roles:`"),
        ("merge: linear\nadapters:", "6:3", "the step `s` has no inputs", "`roles:`"),
        ("merge: 5\nadapters: [english]", "7:12", "expected a text, found the number 5", "quotes"),
        ("merge: ''\nadapters: [english]", "7:12", "expected a text, found an empty one", None),
        ("merge: no\nadapters: english", "8:15", "expected a list of names, or a mapping", None),
        (
            "merge: m\nadapters: {english: abc}",
            "8:25",
            "expected a number, found the text 'abc'",
            None,
        ),
        ("merge: m\nadapters: {english: '1'}", "8:25", "found the text '1'", None),
        ("merge: m\nadapters: {english: true}", "8:25", "expected a number, found true", None),
        ("merge: m\nadapters: {english: }", "8:24", "found nothing (null)", None),
        ("merge: m\nadapters: {english: [1]}", "8:25", "expected a number, found a list", None),
        (
            "merge: m\nadapters: {english: {layers.0-5: yes}}",
            "8:38",
            "expected a number, found the text 'yes'",
            None,
        ),
        ("<one>: m\nmerge: m\nadapters: [english]", "7:5", "unknown key `<one>`", "known keys"),
        (
            "merge: m\nadapters: [english]\nwith: {<one>: {<list>: 1, <patterns>: []}}",
            "9:43",
            "found an empty list",
            None,
        ),
        ("merge: m\nadapters: []", "8:15", "at least one entry, found an empty list", None),
        ("merge: m\nadapters: {}", "8:15", "at least one entry, found an empty mapping", None),
        ("merge: m\nroles: {}", "8:12", "at least one entry, found an empty mapping", None),
        ("merge: m\nadapters: [1]", "8:16", "expected a text, found the number 1", "quotes"),
        (
            "merge: m\nadapters: [english, german, english]",
            "8:33",
            "`english` is listed twice; it is item 1 already",
            "weights",
        ),
        (
            "merge: m\nadapters: [english, girman]",
            "8:25",
            "there is no adapter or step `girman`",
            "did you mean `german`?",
        ),
        (
            "merge: m\nadapters: {English: 1}",
            "8:16",
            "there is no adapter or step `English`",
            "did you mean `english`?",
        ),
        (
            "merge: m\nroles: {source: zulu}",
            "8:21",
            "there is no adapter or step `zulu`",
            "known names: `english`, `german`",
        ),
        (
            "merge: m\nroles: {source: 1}",
            "8:21",
            "expected a text, found the number 1",
            "quotes",
        ),
        ("merge: m\nroles: [english]", "8:12", "expected a mapping (`key: value`)", None),
        (
            "merge: m\nadapters: [english]\nheads: from englsh",
            "9:12",
            "there is no adapter or step `englsh`",
            "`english`",
        ),
        (
            "merge: m\nadapters: [english]\nheads: english",
            "9:12",
            "expected `drop`, `mean` or `from NAME`, found the text 'english'",
            "NAME",
        ),
        (
            "merge: m\nadapters: [english]\ndtype: fp16",
            "9:12",
            "expected one of `float32`, `float16`, `bfloat16`, `float64`, found the text 'fp16'",
            None,
        ),
        (
            "merge: m\nadapters: [english]\ndtype: flaot32",
            "9:12",
            "expected one of `float32`",
            "did you mean `float32`?",
        ),
        (
            "merge: m\nadapters: [english]\nformat: {}",
            "9:13",
            "expected one of `safetensors`, `bin`, found an empty mapping",
            None,
        ),
        (
            "merge: m\nadapters: [english]\nwith:",
            "9:10",
            "expected a mapping (`key: value`), found nothing (null)",
            None,
        ),
        (
            "merge: m\nadapters: [english]\nwith: {t: {a: [1]}}",
            "9:19",
            "expected a number, a text, true, false or null, found a list",
            None,
        ),
        (
            "merge: m\nadapters: [english]\nwith: {t: [1, {}]}",
            "9:19",
            "expected a number, a text, true, false or null, found an empty mapping",
            None,
        ),
        ("merge: m\nadapters: [s]", "6:3", "the step `s` uses its own result: s -> s", "remove"),
    ],
)
def test_of_a_step(lines: str, where: str, message: str, hint: str | None) -> None:
    (problem,) = problems(step(lines))
    assert problem.where == f"r.yaml:{where}"
    assert message in problem.message
    assert (problem.hint is None) if hint is None else (hint in str(problem.hint))


STEPS = "steps: {s: {merge: m, adapters: [a]}}\n"
GOOD = STEPS + "adapters: {a: ./a}\n"


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("[1]\n", "1:1", "expected a recipe, a mapping (`key: value`), found a list"),
        ("~\n", "1:1", "expected a recipe, a mapping (`key: value`), found nothing (null)"),
        ("just words\n", "1:1", "found the text 'just words'"),
        (GOOD, "1:1", "the recipe lacks `version`"),
        (GOOD + "version: 2\n", "3:10", "this xlmerge reads version 1, found the number 2"),
        (GOOD + "version: '1'\n", "3:10", "this xlmerge reads version 1, found the text '1'"),
        (GOOD + "version: true\n", "3:10", "this xlmerge reads version 1, found true"),
        (GOOD + "version: 1.0\n", "3:10", "this xlmerge reads version 1, found the number 1.0"),
        ("version: 1\n", "1:1", "the recipe lacks `steps`"),
        ("version: 1\nstepps: {}\n", "2:1", "unknown key `stepps`"),
        ("version: 1\nsteps: {}\n", "2:8", "at least one entry"),
        ("version: 1\nsteps: [a]\n", "2:8", "expected a mapping (`key: value`), found a list"),
        ("version: 1\nsteps: {a: linear}\n", "2:12", "expected a mapping"),
        ("version: 1\nadapters:\n" + STEPS, "2:10", "expected a mapping"),
        ("version: 1\nadapter: {a: x}\n" + STEPS, "2:1", "unknown key `adapter`"),
        (GOOD + "version: 1\ncolour: red\n", "4:1", "unknown key `colour`"),
        (GOOD + "version: 1\nbase_model: 5\n", "4:13", "expected a text, found the number 5"),
        (GOOD + "version: 1\nbase_model_aliases: [x]\n", "4:1", "`base_model`, which is missing"),
        (
            GOOD + "version: 1\nbase_model: m\nbase_model_aliases: x\n",
            "5:21",
            "expected a list, found the text 'x'",
        ),
        (GOOD + "version: 1\ndatasets: []\n", "4:11", "expected a mapping"),
        (GOOD + "version: 1\nbase_model: <size>\n", "4:13", "a recipe has one base model"),
        (
            "version: 1\nadapters: {a b: x}\nsteps: {s: {merge: m, adapters: [a b]}}\n",
            "2:12",
            "the name `a b` holds a character",
        ),
        (
            f"version: 1\nadapters: {{{'a' * 101}: x}}\nsteps: {{s: {{merge: m, adapters: ["
            + "a" * 101
            + "]}}\n",
            "2:12",
            "is too long: 101 characters, at most 100",
        ),
        (
            "version: 1\nadapters: {a: 1, b: c}\nsteps: {s: {merge: m, adapters: [a]}}",
            "2:15",
            "text",
        ),
        (
            "version: 1\nadapters: {a: x}\nsteps:\n  a: {merge: m, adapters: [a]}\n",
            "4:3",
            "the step `a` has the name of an adapter (r.yaml:2:12)",
        ),
    ],
)
def test_of_a_recipe(text: str, where: str, message: str) -> None:
    (problem,) = problems(text)
    assert problem.where == f"r.yaml:{where}"
    assert message in problem.message


@pytest.mark.parametrize("kind", ["search", "convert"])
def test_reserved_kinds(kind: str) -> None:
    (problem,) = problems(step(f"{kind}: x\ncompose: {{stack: [nobody]}}\ndata: javanese"))
    assert problem.where == "r.yaml:7:5"
    words = (
        f"`{kind}` is reserved: this version of xlmerge runs steps that merge, train or evaluate"
    )
    assert problem.message == words


def test_a_reserved_step_is_still_a_name() -> None:
    text = step("search: m\nadapters: [nobody]")
    (problem,) = problems(text + "  t: {merge: m, adapters: [s]}\n")
    assert problem.where == "r.yaml:7:5"


def test_a_step_has_one_kind() -> None:
    (problem,) = problems(step("merge: m\nadapters: [english]\ntrain: x"))
    assert problem.where == "r.yaml:9:5"
    assert "several kinds: `merge`, `train`" in problem.message


def test_cycles() -> None:
    text = HEAD + (
        "  c: {merge: m, adapters: [b]}\n"
        "  a: {merge: m, adapters: [c, english]}\n"
        "  b: {merge: m, roles: {r: a}}\n"
        "  user: {merge: m, adapters: [a]}\n"
        "  p: {merge: m, adapters: [english], heads: from q}\n"
        "  q: {merge: m, adapters: [p]}\n"
    )
    first, second = problems(text)
    assert (first.where, second.where) == ("r.yaml:6:3", "r.yaml:10:3")
    assert "in a circle: c -> b -> a -> c" in first.message
    assert "in a circle: p -> q -> p" in second.message


def test_all_problems_come_together_in_the_order_of_the_file() -> None:
    text = """\
version: 3
color: red
adapters:
  english: 5
  ger man: ./de
datasets: []
steps:
  one:
    merge: linear
    adapters: {englsh: x}
  two:
    search: grid
  three:
    merge: linear
    adapters: [four, five]
    dtype: int8
  four:
    adapters: [three]
"""
    places = [str(problem.where).removeprefix("r.yaml:") for problem in problems(text)]
    assert places == [
        *["1:10", "2:1", "4:12", "5:3", "6:11", "10:16", "10:24"],
        *["12:5", "13:3", "15:22", "16:12", "17:3"],
    ]


def test_long_and_unprintable_names_are_tamed() -> None:
    (problem,) = problems(step(f'merge: m\nadapters: ["\\e[31m{"x" * 500}"]'))
    assert "\x1b" not in problem.message
    assert len(problem.message) < 120
