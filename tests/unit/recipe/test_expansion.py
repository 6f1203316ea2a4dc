"""Families, instances and placeholders: what a recipe is once its variables have values."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.plugin.trees import Leaf, Node, tree_text
from xlmerge.recipe import (
    Dataset,
    EvaluateStep,
    ExpandedEvaluate,
    ExpandedMerge,
    ExpandedTrain,
    Expansion,
    Recipe,
    TrainStep,
    recipe_from_text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

RECIPE = """\
version: 1
base_model: xlm-roberta-base
adapters:
  language: adapters/language-<language>
  sentiment: adapters/task-seed<seed>
  pair: adapters/<b>/<a>-<b>
datasets:
  nusax: {path: data/<language>, files: {test: test.csv}, labels: [negative, positive]}
  wiki: text/<language>.txt.gz
  hub: {path: org/set, subset: <language>, revision: main, limit: {train: 5}, columns: {text: t}}
heads:
  linear: {path: heads/<seed>/h.bin, task: sorting, pooling: mean, labels: [x, y]}
steps:
  scores:
    evaluate: {sorting: {width: 3}}
    for_each: {language: [mad, bbc], seed: [0, 1, 2]}
    data: nusax
    rows:
      task only: polarity
      source: {stack: [language/ind, polarity]}
      own: {stack: [madura, polarity]}
      half: {stack: [{average: {madura: 0.25, language/ind: 0.75}}, polarity]}
    head: linear
    baseline: source
    with: {batch_size: 32}
  bridge:
    for_each: {language: [mad, bbc]}
    merge: language_arithmetic
    adapters: {madura: 0.5, language/ind: {default: 0.5, invertible: 1}}
    heads: from madura
    with: {t: 1, <kept>: x-<language>}
  madura:
    for_each: {language: [mad, bbc]}
    train: language_adapter
    data: wiki
    adapter: {config: seq_bn_inv, reduction_factor: 2}
    with: {steps: 500, note: for <language>}
  polarity:
    for_each: {seed: [0, 1, 2]}
    train: task_adapter
    task: {sorting: {width: 3}}
    on: language/ind
    data: {train: [nusax/ind, nusax/eng], dev: nusax/ind, mixed: {hub/ind: 2, hub/eng: 1}}
    with: {seed: <seed>, seeds: [<seed>, 7]}
"""


def expanded(text: str = RECIPE, *overrides: str) -> Expansion:
    return recipe_from_text(text, "r.yaml", overrides).expansion


def steps(expansion: Expansion) -> Mapping[str, Any]:
    return {step.name: step for step in expansion.steps}


def test_one_step_for_each_combination_after_those_it_uses() -> None:
    names = [step.name for step in expanded().steps]
    assert names == [
        *["madura/mad", "bridge/mad", "madura/bbc", "bridge/bbc"],
        *["polarity/0", "polarity/1", "polarity/2", "scores"],
    ]
    kinds = {step.step: type(step) for step in expanded().steps}
    assert kinds == {
        "madura": ExpandedTrain,
        "bridge": ExpandedMerge,
        "polarity": ExpandedTrain,
        "scores": ExpandedEvaluate,
    }


def test_a_merge() -> None:
    bridge = steps(expanded())["bridge/bbc"]
    assert (bridge.step, bridge.bindings) == ("bridge", {"language": "bbc"})
    assert bridge.adapters == {
        "madura/bbc": 0.5,
        "language/ind": {"default": 0.5, "invertible": 1},
    }
    assert bridge.heads == "from madura/bbc"
    assert bridge.values == {"t": 1, "<kept>": "x-bbc"}


def test_a_training() -> None:
    made = steps(expanded())
    assert made["madura/mad"].data == {"": (("wiki/mad", None),)}
    assert made["madura/mad"].adapter == {"config": "seq_bn_inv", "reduction_factor": 2}
    assert made["madura/mad"].values == {"steps": 500, "note": "for mad"}
    polarity = made["polarity/1"]
    assert (polarity.train, polarity.task) == ("task_adapter", "sorting")
    assert polarity.task_options == {"width": 3}
    assert polarity.on == Leaf("language/ind")
    assert polarity.data == {
        "train": (("nusax/ind", None), ("nusax/eng", None)),
        "dev": (("nusax/ind", None),),
        "mixed": (("hub/ind", 2), ("hub/eng", 1)),
    }
    assert polarity.values == {"seed": 1, "seeds": (1, 7)}
    assert type(polarity.values["seed"]) is int


def test_a_table() -> None:
    table = steps(expanded())["scores"]
    assert (table.task, table.task_options) == ("sorting", {"width": 3})
    assert (table.columns, table.baseline, table.split) == (("language",), "source", "test")
    places = [(cell.row, cell.column, cell.seed) for cell in table.cells]
    rows = ("task only", "source", "own", "half")
    assert places == [(r, c, s) for r in rows for c in ("mad", "bbc") for s in ("0", "1", "2")]
    last = table.cells[-1]
    assert (last.data, last.head) == ("nusax/bbc", "linear/2")
    assert tree_text(last.tree) == (
        "stack(average(0.25 madura/bbc, 0.75 language/ind), polarity/2)"
    )


def test_what_the_steps_need_is_there_and_nothing_else() -> None:
    made = expanded()
    assert made.adapters == {"language/ind": "adapters/language-ind"}
    assert set(made.datasets) == {
        *("nusax/mad", "nusax/bbc", "nusax/ind", "nusax/eng", "wiki/mad", "wiki/bbc"),
        *("hub/ind", "hub/eng"),
    }
    assert made.datasets["wiki/mad"]["path"] == "text/mad.txt.gz"
    assert made.datasets["hub/eng"]["subset"] == "eng"
    assert made.datasets["hub/eng"]["limit"] == {"train": 5}
    assert made.heads["linear/2"] == {
        "path": "heads/2/h.bin",
        "task": "sorting",
        "pooling": "mean",
        "labels": ("x", "y"),
    }
    assert made.unused == {"adapter": ("sentiment", "pair"), "dataset": (), "head": ()}


def step(lines: str) -> Any:
    """The step `s` of a small recipe, its only instance."""
    text = RECIPE[: RECIPE.index("steps:\n")] + "steps:\n  s:\n"
    made = expanded(text + "".join(f"    {line}\n" for line in lines.splitlines()))
    (only,) = made.steps
    return only


def test_values_are_picked_in_the_order_of_the_variables() -> None:
    assert step("merge: m\nadapters: [pair/x/y]").adapters == ("pair/x/y",)
    assert step("merge: m\nadapters: [pair/x]\nfor_each: {a: [y]}").adapters == ("pair/x/y",)
    # The order is that of the path, <b> first, whatever the order in the step.
    made = step("merge: m\nadapters: [pair]\nfor_each: {a: [y], b: [x]}")
    assert (made.name, made.adapters) == ("s/y/x", ("pair/x/y",))


def test_placeholders_pick_names_too() -> None:
    lines = "for_each: {to: [jav], by: [linear]}\nmerge: <by>\n"
    made = step(lines + "adapters: {language/<to>: 1, language/ind: 2}\nroles: {r: language/<to>}")
    assert made.merge == "linear"
    assert made.adapters == {"language/jav": 1, "language/ind": 2}
    assert made.roles == {"r": "language/jav"}
    made = step(
        "for_each: {which: [language/jav]}".replace("/jav", "") + "\nmerge: m\n"
        "adapters: [<which>/jav, language/ind]"
    )
    assert made.adapters == ("language/jav", "language/ind")


def test_placeholders_that_become_numbers_and_words() -> None:
    lines = "for_each: {k: [2], d: [float16]}\nmerge: m\nadapters: {language/a: <k>}\ndtype: <d>\n"
    made = step(lines + "heads: drop\nwith: {a: <k>, b: '<k>0', c: <d>}")
    assert (made.adapters, made.dtype) == ({"language/a": 2}, "float16")
    assert made.values == {"a": 2, "b": "20", "c": "float16"}


def test_values_keep_their_kind() -> None:
    lines = "for_each: {x: ['01', 1, no, -2]}\nmerge: m\nadapters: [language/<x>]\nwith: {x: <x>}"
    text = RECIPE[: RECIPE.index("steps:\n")] + "steps:\n  s:\n"
    made = expanded(text + "".join(f"    {line}\n" for line in lines.splitlines())).steps
    assert [each.name for each in made] == ["s/01", "s/1", "s/no", "s/-2"]
    assert [each.values["x"] for each in made if isinstance(each, ExpandedMerge)] == [
        *["01", 1, "no", -2]
    ]


def test_compose_is_a_row_of_its_own() -> None:
    lines = "evaluate: sorting\ndata: wiki/x\ncompose: {stack: [language/a, {average: language/b}]}"
    table = step(lines)
    (cell,) = table.cells
    assert (cell.row, cell.column, cell.seed) == (
        *("stack(language/a, average(language/b))", "", None),
    )
    assert (table.columns, table.baseline) == ((), None)


def test_the_first_row_is_the_baseline() -> None:
    table = step("evaluate: sorting\ndata: wiki/x\nrows: {a: language/a, b: language/b}")
    assert table.baseline == "a"


def test_two_variables_besides_the_seed() -> None:
    lines = "evaluate: sorting\ndata: hub\nfor_each: {seed: [5], language: [l], a: [x, y], b: [z]}"
    table = step(lines + "\nrows: {one: {stack: [pair, sentiment]}}")
    assert table.columns == ("language", "a", "b")
    assert [(cell.column, cell.seed) for cell in table.cells] == [("l/x/z", "5"), ("l/y/z", "5")]


def test_options_of_compositions_vary_too() -> None:
    lines = "train: t\ndata: wiki/x\nfor_each: {k: [3]}\n"
    made = step(
        lines + "on: {average: [language/a, language/b], weights: [<k>, 1], with: {n: <k>}}"
    )
    assert made.on == Node(
        rule="average",
        children=(Leaf("language/a"), Leaf("language/b")),
        weights=(3.0, 1.0),
        options={"n": 3},
    )


def test_overrides_come_before() -> None:
    made = steps(
        expanded(
            RECIPE,
            "steps.polarity.with.epochs=1",
            "datasets.nusax.path=/data/<language>",
            "steps.scores.for_each.language=[mad]",
            "base_model=tiny",
        )
    )
    assert made["polarity/2"].values["epochs"] == 1
    assert {cell.column for cell in made["scores"].cells} == {"mad"}
    assert expanded(RECIPE, "datasets.wiki=w-<language>").datasets["wiki/mad"]["path"] == "w-mad"


def test_places_lead_to_the_family() -> None:
    loaded = recipe_from_text(RECIPE, "r.yaml", ["steps.polarity.with.epochs=1"])
    for path, place in {
        ("steps", "bridge/mad"): "27:5",
        ("steps", "bridge/mad", "adapters", "madura/mad"): "29:24",
        ("steps", "bridge/mad", "adapters", "language/ind", "invertible"): "29:70",
        ("steps", "madura/bbc", "with", "note"): "37:30",
        ("steps", "scores", "rows", "own", "stack", 0): "21:21",
        ("adapters", "language/ind"): "4:13",
        ("datasets", "nusax/mad", "labels", 1): "8:78",
        ("heads", "linear/0", "pooling"): "12:62",
    }.items():
        assert loaded.where(path) == f"r.yaml:{place}", path
    assert loaded.where(("steps", "polarity/0", "with", "epochs")) == (
        "--set steps.polarity.with.epochs"
    )
    assert loaded.where(("steps", "bridge/mad"), key=True) == "r.yaml:26:3"


def test_places_in_what_is_composed() -> None:
    text = RECIPE[: RECIPE.index("steps:\n")] + (
        "steps:\n  s:\n    evaluate: t\n    data: wiki/x\n    compose: {stack: [language/a]}\n"
    )
    loaded = recipe_from_text(text, "r.yaml")
    path = ("steps", "s", "rows", "stack(language/a)", "stack", 0)
    assert loaded.where(path) == "r.yaml:17:23"


def test_is_frozen() -> None:
    made = expanded()
    with pytest.raises(FrozenInstanceError):
        made.steps[0].name = "x"  # type: ignore[misc]


def test_models_made_directly() -> None:
    recipe = Recipe(
        version=1,
        datasets={"d": Dataset(path="d/<x>"), "e": "hub/e"},
        adapters={"a": "a/<x>"},
        steps={
            "t": TrainStep(train="t", data="d", for_each={"x": (1, 2)}),
            "v": EvaluateStep(evaluate="k", data="e", compose={"stack": ["a/1", "t/2"]}),
        },
    )
    assert recipe.order() == ("t/1", "t/2", "v")
    assert recipe.unused_adapters() == ()
    assert recipe.steps["v"].compose == {"stack": ("a/1", "t/2")}  # type: ignore[union-attr]


def test_many_steps_take_no_time() -> None:
    values = list(range(3000))
    lines = f"for_each: {{seed: {values}}}\n    merge: m\n    adapters: [sentiment]\n"
    text = RECIPE[: RECIPE.index("steps:\n")] + f"steps:\n  s:\n    {lines}"
    assert len(expanded(text).steps) == 3000
