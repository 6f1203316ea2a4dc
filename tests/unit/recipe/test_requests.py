"""From a recipe to what the planner is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from xlmerge.checkpoint.base_models import same_base_model
from xlmerge.errors import RecipeError
from xlmerge.jobs import recipe_job
from xlmerge.plan import EvaluateRequest, StepRequest, TrainRequest
from xlmerge.plugin.trees import Leaf, tree_text

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """\
version: 1
base_model: tiny
adapters: {language: a/<language>, spare: x}
datasets: {d: {path: d/<language>, format: csv, limit: {test: 9}}, unread: hub/u}
heads: {h: {path: h/<seed>, task: sort, pooling: mean, labels: [x, y]}, other: {path: o, task: t}}
steps:
  table:
    evaluate: {sort: {width: 2}}
    for_each: {language: [jav, sun], seed: [0, 1]}
    data: d
    rows: {only: learn, stacked: {stack: [bridge, learn]}}
    head: h
    with: {batch_size: 4}
  bridge:
    for_each: {language: [jav, sun]}
    merge: linear
    adapters: {language: 0.5, language/ind: 0.5}
    format: bin
  learn:
    for_each: {seed: [0, 1]}
    train: fit
    task: {sort: {width: 2}}
    on: language/ind
    data: {train: {d/ind: 2, d/eng: 1}, validation: d/ind}
    adapter: seq_bn
    with: {seed: <seed>}
"""


def test_the_head_of_an_adapter(tmp_path: Path) -> None:
    """It counts among what the evaluation needs, in a row without that adapter, too."""
    path = tmp_path / "r.yaml"
    path.write_text(RECIPE.replace("head: h", "head: learn/0"), encoding="utf-8")
    table = recipe_job(path).steps[-1]
    assert isinstance(table, EvaluateRequest)
    assert {(cell.head, cell.head_of) for cell in table.cells} == {(None, "learn/0")}
    assert {cell.adapters for cell in table.cells if cell.row == "only"} == {
        ("learn/0",),
        ("learn/1", "learn/0"),
    }


def test_requests(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    job = recipe_job(path, overrides=["steps.learn.with.epochs=1"])
    by_name = {step.name: step for step in job.steps}
    assert list(by_name) == ["bridge/jav", "bridge/sun", "learn/0", "learn/1", "table"]
    assert job.folders == {name: tmp_path / "r" / name for name in by_name}
    assert job.references == {f"language/{name}": f"a/{name}" for name in ("jav", "ind", "sun")}
    assert job.warnings == (
        *("the adapter spare is not used", "the dataset unread is not used"),
        "the head other is not used",
    )
    assert by_name["bridge/sun"] == StepRequest(
        name="bridge/sun",
        method="linear",
        adapters={"language/sun": 0.5, "language/ind": 0.5},
        values={},
        container="bin",
    )

    learn = by_name["learn/1"]
    assert isinstance(learn, TrainRequest)
    assert (learn.trainer, learn.task, learn.task_options) == ("fit", "sort", {"width": 2})
    assert (learn.stacked_on, learn.adapter) == (Leaf("language/ind"), "seq_bn")
    assert learn.values == {"seed": 1, "epochs": 1}
    (first, weight), (second, _) = learn.data["train"]
    assert (first.name, second.name, weight) == ("d/ind", "d/eng", 2)
    assert (first.path, first.format, first.limit) == ("d/ind", "csv", {"test": 9})
    assert first.start == tmp_path

    table = by_name["table"]
    assert isinstance(table, EvaluateRequest)
    assert (table.task, table.columns, table.split) == ("sort", ("language",), "test")
    assert (table.baseline, table.values) == ("only", {"batch_size": 4})
    assert len(table.cells) == 8
    cell = table.cells[-1]
    assert (cell.row, cell.column, cell.seed) == ("stacked", "sun", "1")
    assert tree_text(cell.tree) == "stack(bridge/sun, learn/1)"
    assert cell.head is not None
    assert (cell.head.name, cell.head.path, cell.head.task) == ("h/1", "h/1", "sort")
    assert (cell.head.labels, cell.head.options) == (("x", "y"), {"pooling": "mean"})
    assert (cell.data.name, cell.data.start) == ("d/sun", tmp_path)
    assert job.where(("steps", "bridge/sun", "adapters", "language/sun")) == f"{path}:17:26"


def test_one_dataset_for_all_roles(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("version: 1\ndatasets: {d: x}\nsteps: {s: {train: t, data: d}}\n")
    (step,) = recipe_job(path).steps
    assert isinstance(step, TrainRequest)
    assert [(role, sets[0][0].name) for role, sets in step.data.items()] == [("", "d")]


def test_a_composition_for_each_dataset(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(
        "version: 1\nadapters: {a: a, b: b}\ndatasets: {d: x, e: y}\n"
        "steps: {s: {train: t, on: [a, {stack: [a, b]}], data: {train: [d, e]}}}\n"
    )
    (step,) = recipe_job(path).steps
    assert isinstance(step, TrainRequest)
    assert step.stacked_on is None
    assert [tree_text(tree) for tree in step.stacked_each] == ["a", "stack(a, b)"]


def test_a_misspelt_composition_for_a_dataset_is_found_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(
        "version: 1\nadapters: {ann: a, bob: b}\ndatasets: {d: x, e: y}\n"
        "steps: {s: {train: t, on: [ann, bop], data: {train: [d, e]}}}\n"
    )
    with pytest.raises(RecipeError, match=r"4:33: .*`bop`[\s\S]*`bob`"):
        recipe_job(path)


def test_a_base_model_in_a_folder_is_known_by_the_folder_s_name(tmp_path: Path) -> None:
    (tmp_path / "models" / "tiny").mkdir(parents=True)
    path = tmp_path / "r.yaml"
    recipe = "version: 1\nbase_model: {base}\nadapters: {{a: x, b: y}}\n"
    recipe += "steps: {{s: {{merge: linear, adapters: {{a: 1, b: 1}}}}}}\n"
    path.write_text(recipe.format(base="models/tiny"))
    base = recipe_job(path).base
    assert same_base_model("models/tiny", "tiny", base.aliases)
    assert not same_base_model("models/tiny", "models/other", base.aliases)
    path.write_text(recipe.format(base="owner/tiny"))
    assert recipe_job(path).base.aliases == ()
