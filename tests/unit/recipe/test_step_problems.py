"""What is wrong with steps that train and evaluate, and with families: one sentence each."""

from __future__ import annotations

import pytest

from xlmerge.errors import Problem, RecipeError
from xlmerge.recipe import recipe_from_text

HEAD = """\
version: 1
adapters: {language: a/<language>, plain: ./p, pair: ./<x>/<y>}
datasets: {wiki: t/<language>, one: hub/one}
heads: {h: {path: h/<seed>, task: sort}}
steps:
  learn: {for_each: {seed: [0, 1]}, train: fit, data: one, with: {seed: <seed>}}
  score: {evaluate: sort, compose: plain, data: one}
  s:
"""  # eight lines


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(RecipeError) as caught:
        recipe_from_text(text, "r.yaml")
    return caught.value.problems


def step(lines: str) -> str:
    """A recipe whose step `s` has these lines, from line 9 on."""
    return HEAD + "".join(f"    {line}\n" for line in lines.splitlines())


TRAIN = "train: fit\ndata: one\n"
TABLE = "evaluate: sort\ndata: one\n"
NOT_TEXT = "expected a number, a text, true, false or null"


@pytest.mark.parametrize(
    ("lines", "where", "message", "hint"),
    [
        ("train: fit", "8:3", "the step `s` lacks `data`", "`data: DATASET`"),
        ("trian: fit\ndata: one", "9:5", "unknown key `trian`", "did you mean `train`?"),
        ("on: plain\ndata: one", "8:3", "the step `s` lacks `train`", "`train: TRAINER`"),
        (TRAIN + "rows: {}", "11:5", "unknown key `rows`", "`train`, `task`, `on`, `data`"),
        ("train: fit\ndata: nope", "10:11", "there is no dataset `nope`", "`wiki`, `one`"),
        ("train: fit\ndata: wkii/jav", "10:11", "no dataset `wkii/jav`", "did you mean `wiki`?"),
        ("train: fit\ndata: plain", "10:11", "`plain` is an adapter, not a dataset", "`one`"),
        ("train: fit\ndata: []", "10:11", "expected the name of a dataset, or a mapping", None),
        ("train: fit\ndata: {}", "10:11", "at least one entry, found an empty mapping", None),
        ("train: fit\ndata: {train: 5}", "10:19", "expected a text, found the number 5", "quotes"),
        ("train: fit\ndata: {train: []}", "10:19", "at least one entry", None),
        ("train: fit\ndata: {train: {one: x}}", "10:25", "expected a number, found the", None),
        ("train: fit\ndata: {'': one}", "10:12", "expected a text, found an empty one", None),
        ("train: fit\ndata: {train: [one, noe]}", "10:25", "no dataset `noe`", "`one`?"),
        (TRAIN + "on: learn/2", "11:9", "no `learn/2`: the step `learn` is done for seed", "add"),
        (TRAIN + "on: score", "11:9", "`score` is an evaluation step, not an adapter", "`learn`"),
        (TRAIN + "on: one", "11:9", "`one` is a dataset, not an adapter or a step", "`learn`"),
        (TRAIN + "on: h/0", "11:9", "`h` is a head, not an adapter or a step", "`learn`"),
        (
            TRAIN + "on: {stack: [plain, plian]}",
            "11:25",
            "no adapter or step `plian`",
            "did you mean `plain`",
        ),
        (
            TRAIN + "on: {mean: {plain: 1, plian: 2}}",
            "11:27",
            "no adapter or step",
            "did you mean `plain`",
        ),
        (TRAIN + "on: {stack: [], mean: []}", "11:9", "one rule, perhaps with `weights`", None),
        (TRAIN + "on: {mean: [plain, plain], weights: [1]}", "11:41", "2 numbers", None),
        (TRAIN + "on: 3", "11:9", "the name of an adapter or {RULE: children}", None),
        (TRAIN + "on: s", "8:3", "the step `s` uses its own result: s -> s", "remove"),
        (TRAIN + "adapter: {confg: c}", "11:5", "`adapter` of the step `s` lacks `config`", "add"),
        (TRAIN + "adapter: []", "11:14", "expected the name of a configuration, or a", None),
        (TRAIN + "adapter: {config: c, r: [[]]}", "11:30", NOT_TEXT, None),
        (TRAIN + "task: {a: {}, b: {}}", "11:11", "expected one entry, found `a`, `b`", None),
        (TRAIN + "task: {a: 5}", "11:15", "expected a mapping (`key: value`), found", None),
        (TRAIN + "task: {a: {b: {}}}", "11:19", NOT_TEXT, None),
        (TRAIN + "task: []", "11:11", "expected the name of a task, or a mapping", None),
        (TRAIN + "with: {a: {b: 1}}", "11:15", NOT_TEXT + ", found a mapping", None),
        ("train: fit\ndata: wiki", "10:11", "`wiki` stands for many: it needs", "wiki/LANGUAGE"),
        (TRAIN + "on: learn", "11:9", "it needs a value of `seed`", "as in `learn/0`"),
        (TRAIN + "on: pair/a", "11:9", "it needs a value of `y`", "as in `pair/X/Y`"),
        ("train: fit\ndata: wiki/a/b", "10:11", "gives 2 values, but `wiki` takes 1 value", None),
        ("train: fit\ndata: one/x", "10:11", "gives 1 value, but `one` takes none", None),
        ("train: fit\ndata: wiki/..", "10:11", "the value `..` cannot be the name of a", "letters"),
        ("train: fit\ndata: wiki/", "10:11", "found an empty text", None),
        (TRAIN + "with: {a: <seed>}", "11:15", "`<seed>` has no value here", "for_each: {seed:"),
        (TRAIN + "for_each: {x: [1]}", "11:16", "nothing in the step `s` depends on `x`", "`<x>`"),
        (TRAIN + "for_each: {}", "11:15", "at least one entry, found an empty mapping", None),
        (TRAIN + "for_each: {x: []}", "11:19", "at least one entry, found an empty list", None),
        (TRAIN + "for_each: {x: 3}", "11:19", "expected a list, found the number 3", None),
        (TRAIN + "for_each: [x]", "11:15", "expected a mapping (`key: value`), found a", None),
        (TRAIN + "for_each: {a b: [1]}", "11:16", "the name `a b` holds a character", "letters"),
        (TRAIN + "for_each: {x: [true]}", "11:20", "a number, found true", "quotes"),
        (TRAIN + "for_each: {x: ['0.5']}", "11:20", "`0.5` cannot be the name of", "called `5e-1`"),
        (TRAIN + "for_each: {x: [~]}", "11:20", "a number, found nothing (null)", None),
        (TRAIN + "for_each: {x: ['']}", "11:20", "a number, found an empty text", None),
        (
            TRAIN + "for_each: {x: [1e-3, 0.001]}\nwith: {a: <x>}",
            "11:26",
            "`0.001` is listed twice; it is item 1 already",
            "remove",
        ),
        (
            TRAIN + "for_each: {x: [a/b]}",
            "11:20",
            "`a/b` cannot be the name of a folder",
            "letters",
        ),
        (
            TRAIN + "for_each: {x: [0, 1, '0']}\nwith: {x: <x>}",
            "11:26",
            "`0` is listed twice; it is item 1 already",
            "remove",
        ),
        (
            TRAIN + "for_each: {seed: [3]}\nwith: {a: <sed>, b: <seed>}",
            "12:15",
            "`<sed>` has no value here: the step has no variable `sed`",
            "did you mean `seed`?",
        ),
        (
            "merge: m\nfor_each: {seed: [1, 2, 3]}\nadapters: [learn, plain]",
            "11:16",
            "there is no `learn/2`, `learn/3`: the step `learn` is done for seed `0`, `1`",
            "`for_each` of `learn`",
        ),
        (
            "merge: m\nfor_each: {language: [ind, jav]}\nadapters: [language, language/ind]",
            "11:26",
            "`language` and `language/ind` are one and the same here: `language/ind`",
            "leave one of them out",
        ),
        (
            "merge: m\nfor_each: {language: [ind, jav]}\nadapters: {language: 1, language/ind: 2}",
            "11:29",
            "`language` and `language/ind` are one and the same here",
            "leave one of them out",
        ),
        (
            "merge: m\nfor_each: {language: [a]}\nadapters: [plain]\nheads: from language/b/c",
            "12:12",
            "`language/b/c` gives 2 values, but `language` takes 1 value: `<language>`",
            None,
        ),
        (
            "merge: m\nfor_each: {t: [ind]}\nadapters: {plain: <t>}",
            "11:23",
            "expected a number, found the text 'ind'",
            None,
        ),
        (
            "merge: m\nfor_each: {t: [fp16]}\nadapters: [plain]\ndtype: <t>",
            "12:12",
            "expected one of `float32`, `float16`, `bfloat16`, `float64`, found the text 'fp16'",
            None,
        ),
        ("merge: m\nadapters: {plain: <t>}", "10:23", "`<t>` has no value here", "for_each"),
        ("evaluate: sort\ncompose: plain", "8:3", "the step `s` lacks `data`", "`data: DATASET`"),
        (TABLE, "8:3", "the step `s` scores nothing", "add `rows:`"),
        (TABLE + "rows: {}", "11:11", "at least one entry", None),
        (TABLE + "rwos: {a: plain}", "11:5", "unknown key `rwos`", "did you mean `rows`?"),
        (TABLE + "rows: plain", "11:11", "expected a mapping (`key: value`), found the", None),
        (TABLE + "rows: {a: plain}\ncompose: plain", "12:5", "has `rows` and `compose`", "`rows`"),
        (TABLE + "rows: {a b: plain, a  b: plain}", "11:24", "`a  b` look the same", "label"),
        (TABLE + "rows: {'': plain}", "11:12", "expected a text, found an empty one", None),
        (TABLE + 'rows: {"a\\nb": plain}', "11:12", "holds a character that cannot be", None),
        (
            TABLE + "rows: {a: 5}",
            "11:15",
            "the name of an adapter or {RULE: children}; found",
            None,
        ),
        (TABLE + "rows: {a: }", "11:14", "the name of an adapter or {RULE: children}; found", None),
        (TABLE + "rows: {a: plain}\nbaseline: b", "12:15", "there is no row `b`", "rows: `a`"),
        (TABLE + "compose: plain\nbaseline: plain", "12:15", "there is no row `plain`", "no rows"),
        (
            TABLE + "compose: plain\nhead: hh/0",
            "12:11",
            "there is no head `hh/0`",
            "did you mean `h`?",
        ),
        (
            TABLE + "compose: plain\nhead: one",
            "12:11",
            "`one` is a dataset, not a head, nor an adapter that may bring one",
            "`h`",
        ),
        (
            "evaluate: {srt: {}}\ndata: one\ncompose: plain\nhead: h/0",
            "12:11",
            "the head `h/0` is for `sort`, not for `srt`",
            "the same task",
        ),
        (
            TABLE + "for_each: {seed: [0]}\nrows: {a: learn}\nsplit: <seed>",
            "13:12",
            "`<seed>` cannot stand here: this is the same in the whole table",
            "differ from cell to cell",
        ),
        (
            TABLE + "for_each: {seed: [0], language: [a]}\nrows: {a: learn, b: plain}",
            "11:27",
            "nothing in the step `s` depends on `language`: its scores would be the same",
            "`<language>`",
        ),
        (
            TABLE + "for_each: {seed: [0, 2]}\nrows: {a: learn}",
            "12:15",
            "there is no `learn/2`: the step `learn` is done for seed `0`, `1`",
            "`for_each` of `learn`",
        ),
        (
            TRAIN
            + f"for_each: {{x: {list(range(101))}, y: {list(range(100))}}}\nwith: {{a: <x><y>}}",
            "11:5",
            "the recipe has more than 10000 steps and scores",
            "leave out values",
        ),
    ],
)
def test_of_a_step(lines: str, where: str, message: str, hint: str | None) -> None:
    (problem,) = problems(step(lines))
    assert problem.where == f"r.yaml:{where}"
    assert message in problem.message
    assert (problem.hint is None) if hint is None else (hint in str(problem.hint))


STEPS = "version: 1\nsteps: {s: {evaluate: t, data: d, compose: a}}\nadapters: {a: ./a}\n"


@pytest.mark.parametrize(
    ("lines", "where", "message"),
    [
        ("datasets: {d: }", "4:14", "expected a text, found nothing (null)"),
        ("datasets: {d: []}", "4:15", "a folder, a file or a hub id, or a mapping, found an empty"),
        ("datasets: {d: {}}", "4:12", "the dataset `d` lacks `path`"),
        ("datasets: {d: {path: x, colums: {}}}", "4:25", "unknown key `colums`"),
        ("datasets: {d: {path: x, format: cvs}}", "4:33", "expected one of `csv`, `tsv`, `jsonl`"),
        ("datasets: {d: {path: x, labels: [no, true]}}", "4:38", "expected a text, found true"),
        ("datasets: {d: {path: x, limit: {train: 0}}}", "4:40", "at least 1, found the number 0"),
        ("datasets: {d: {path: x, limit: {train: 1.5}}}", "4:40", "a whole number, found the"),
        ("datasets: {d: {path: x, files: {train: [x]}}}", "4:40", "expected a text, found a list"),
        ("datasets: {d: x, a: y}", "4:18", "the dataset `a` has the name of an adapter (r.yaml:3:"),
        ("datasets: {d: x}\nheads: {d: {path: x, task: t}}", "5:9", "has the name of a dataset"),
        ("datasets: {d: x}\nheads: {h: x}", "5:12", "expected a mapping (`key: value`), found"),
        ("datasets: {d: x}\nheads: {h: {path: x}}", "5:9", "the head `h` lacks `task`"),
        ("datasets: {d: x}\nheads: {h: {path: x, task: t, lables: []}}", "5:31", "`lables`"),
        ("datasets: {d: x}\nheads: {h: {path: x, task: t, p: {}}}", "5:34", "expected a number, a"),
    ],
)
def test_of_datasets_and_heads(lines: str, where: str, message: str) -> None:
    (problem,) = problems(STEPS + lines)
    assert (problem.where, message in problem.message) == (f"r.yaml:{where}", True), problem


def test_a_step_with_the_name_of_a_head() -> None:
    (problem,) = problems(STEPS + "datasets: {d: x}\nheads: {s: {path: x, task: t}}\n")
    assert problem.where == "r.yaml:2:9"
    assert problem.message == "the step `s` has the name of a head (r.yaml:5:9)"


def test_a_format_does_not_vary() -> None:
    text = STEPS.replace("data: d", "data: d/csv") + "datasets: {d: {path: x, format: <f>}}"
    (problem,) = problems(text)
    assert (problem.where, problem.message[:22]) == ("r.yaml:4:33", "expected one of `csv`,")


def test_circles_of_instances() -> None:
    text = (
        step("for_each: {x: [1, 2, 3]}\nmerge: m\nadapters: [t]\n")
        + "  t: {for_each: {x: [1, 2, 3]}, merge: m, adapters: [s, plain]}\n"
    )
    (problem,) = problems(text)
    assert problem.where == "r.yaml:8:3"
    assert problem.message == "steps use each other's results in a circle: s/1 -> t/1 -> s/1"


def test_an_instance_may_use_another_of_its_family() -> None:
    lines = "for_each: {x: [a, b]}\nmerge: <x>\nadapters: [plain]\n"
    text = step(lines) + "  t: {merge: m, adapters: [s/a, s/b]}\n"
    order = recipe_from_text(text, "r.yaml").recipe.order()
    assert order[-3:] == ("s/a", "s/b", "t")


def test_misspelt_sections_are_said_once() -> None:
    text = "version: 1\ndataset: {d: x}\nsteps: {s: {train: t, data: d}}\n"
    (problem,) = problems(text)
    assert problem.message == "unknown key `dataset`"


def test_all_problems_come_together() -> None:
    text = step(
        "evaluate: sort\ndata: wkii\nfor_each: {seed: [0, 0]}\n"
        "rows: {a: leran, b: {stack: [language, nobody]}}\nbaseline: c\nwith: []\n"
    )
    places = [str(problem.where).removeprefix("r.yaml:") for problem in problems(text)]
    assert places == ["10:11", "11:26", "12:15", "12:34", "12:44", "13:15", "14:11"]
