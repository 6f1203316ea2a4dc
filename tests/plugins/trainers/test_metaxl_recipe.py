"""MetaXL in a recipe: checked before anything runs, trained, scored, inspected, and run again."""

from __future__ import annotations

import csv
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
pytest.importorskip("torch")
pytest.importorskip("adapters")

if TYPE_CHECKING:
    from pathlib import Path

RECIPE: dict[str, Any] = {
    "version": 1,
    "base_model": "base",
    "datasets": {"d": {"path": "labels/<language>", "labels": ["early", "late"]}},
    "steps": {
        "target": {
            "for_each": {"seed": [0, 1]},
            "train": "task_adapter",
            "task": {"sequence_classification": {"max_length": 16}},
            "data": "d/cc",
            "with": {"steps": 4, "batch_size": 8, "seed": "<seed>"},
        },
        "meta": {
            "for_each": {"seed": [0, 1]},
            "train": "metaxl",
            "task": {"sequence_classification": {"max_length": 16}},
            "data": {"source": {"d/aa": 2, "d/bb": 1}, "train": "d/cc", "validation": "d/cc"},
            "with": {"steps": 4, "batch_size": 8, "layers": [1, -1], "seed": "<seed>"},
        },
        "scores": {
            "evaluate": "sequence_classification",
            "for_each": {"language": ["cc"], "seed": [0, 1]},
            "data": "d",
            "rows": {"target": "target", "meta": "meta"},
            "baseline": "target",
            "with": {"max_length": 16, "bootstrap": 100},
        },
    },
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base model, data of three languages, and the recipe."""
    from builders.tiny_training import labelled, save_base

    folder = tmp_path_factory.mktemp("recipe")
    save_base(folder / "base")
    for at, language in enumerate(("aa", "bb", "cc")):
        for split, count in (("train", 24), ("validation", 9), ("test", 20)):
            path = folder / "labels" / language / f"{split}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, ["text", "label"])
                writer.writeheader()
                writer.writerows(labelled(count, seed=10 * at + count))
    (folder / "recipe.yaml").write_text(json.dumps(RECIPE), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def result(place: Path) -> Any:
    import xlmerge

    return xlmerge.run(place / "recipe.yaml")


def test_it_trains_and_is_scored_beside_the_baseline(result: Any, place: Path) -> None:
    statuses = {step.name: step.status for step in result.steps}
    assert statuses == {
        **dict.fromkeys(["target/0", "target/1", "meta/0", "meta/1"], "trained"),
        "scores": "evaluated",
    }
    table = json.loads((place / "recipe" / "scores" / "table.json").read_text(encoding="utf-8"))
    assert {each["row"] for each in table["scores"]} == {"target", "meta"}


def test_run_again_nothing_is_done(result: Any, place: Path) -> None:
    import xlmerge

    del result
    again = xlmerge.run(place / "recipe.yaml")
    assert {step.status for step in again.steps} == {"up to date"}


def test_networks_lie_below_by_the_names_of_their_data(
    result: Any, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from xlmerge.cli import main

    del result
    networks = place / "recipe" / "meta" / "0" / "networks"
    assert sorted(p.name for p in networks.iterdir()) == ["d-aa", "d-bb"]
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["inspect", str(networks / "d-aa")])
    assert "rtn" in capsys.readouterr().out
    written = (place / "recipe" / "meta" / "0" / "xlmerge.json").read_text(encoding="utf-8")
    assert "networks/d-aa/pytorch_adapter.bin" in written


def test_a_network_that_was_changed_is_not_taken_for_the_result(
    result: Any, place: Path, tmp_path: Path
) -> None:
    import xlmerge
    from xlmerge.errors import XLMergeError

    del result
    shutil.copytree(place, tmp_path / "copy")
    file = tmp_path / "copy/recipe/meta/1/networks/d-bb/pytorch_adapter.bin"
    good = file.read_bytes()
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(XLMergeError, match=r"networks/d-bb/pytorch_adapter\.bin"):
        xlmerge.run(tmp_path / "copy" / "recipe.yaml")
    again = xlmerge.run(tmp_path / "copy" / "recipe.yaml", force=True)
    statuses = {step.name: step.status for step in again.steps}
    assert statuses["meta/1"] == "trained"
    assert file.read_bytes() == good


def test_the_log_has_what_the_step_tells(result: Any, place: Path) -> None:
    del result
    with (place / "recipe/meta/0/log.csv").open(encoding="utf-8", newline="") as file:
        names = next(csv.reader(file))
    assert names[6:12] == [
        *("source_loss", "target_loss", "meta_loss", "hypergradient_norm", "gradient_cosine"),
        "network_share",
    ]


def _problems(place: Path, **step: Any) -> str:
    import xlmerge
    from xlmerge.errors import XLMergeError

    changed = {k: v for k, v in {**RECIPE["steps"]["meta"], **step}.items() if v is not ...}
    path = place / "wrong.yaml"
    path.write_text(json.dumps({**RECIPE, "steps": {"meta": changed}}), encoding="utf-8")
    with pytest.raises(XLMergeError) as caught:
        xlmerge.check(path)
    return str(caught.value)


def _with(**options: Any) -> dict[str, Any]:
    return {"with": {"steps": 4, "seed": "<seed>", **options}}


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (_with(layer=[1]), ["no parameter `layer`", "did you mean `layers`"]),
        (_with(layers=["top"]), ["`layers`", "list of whole numbers", "'top'"]),
        (_with(layers=[]), ["`layers`", "empty list"]),
        (_with(layers=0.5), ["`layers`", "0.5"]),
        (_with(meta_learning_rate=0), ["`meta_learning_rate`", "above 0", "found 0"]),
        (_with(target_batch_size=1), ["`target_batch_size`", "at least 2"]),
        (_with(algorithm="exact"), ["`algorithm`", "double_backward"]),
        (_with(epochs=2), ["`steps` or `epochs`; found both"]),
        (_with(bf16=True), ["`bf16` rounds"]),
        (_with(dtype="float16"), ["computes in float32 or float64; found `dtype: float16`"]),
        (_with(layers=[99]), ["0 (the embeddings) to 2", "found 99"]),
        (_with(layers=[2, -1]), ["each once", "[2, -1]"]),
        (_with(reduction_factor=100), ["`reduction_factor` is at most", "found 100"]),
        (_with(batch_size=1), ["give `target_batch_size`: 2 or more"]),
        (_with(network="none", layers=[0]), ["`layers: [0]` has no effect", "`network: none`"]),
        (_with(network="joint", inner="adam_diag"), ["`inner: adam_diag` has no effect"]),
        ({"data": {"train": "d/cc"}}, ["needs data for `source`", "other languages"]),
        ({"data": "d/cc"}, ["needs data for `source`", "other languages"]),
        ({"data": {"source": ["d/aa"]}}, ["needs data for `train`"]),
        ({"data": {"source": {"d/aa": 0}, "train": "d/cc"}}, ["above 0"]),
        ({"data": {"source": "d/aa", "train": ["d/bb", "d/cc"]}}, ["one data set for `train`"]),
        ({"task": ...}, ["metaxl needs a task", "sequence_classification"]),
    ],
    ids=str,
)
def test_problems_are_told_before_anything_runs(
    step: dict[str, Any], words: list[str], place: Path
) -> None:
    told = _problems(place, **step)
    for word in words:
        assert word in told, told


@pytest.mark.parametrize("layers", [-1, [1, -1], [0]], ids=str)
def test_a_number_stands_for_a_list_of_one(layers: Any, place: Path) -> None:
    import xlmerge

    step = {**RECIPE["steps"]["meta"], **_with(layers=layers)}
    path = place / "right.yaml"
    path.write_text(json.dumps({**RECIPE, "steps": {"meta": step}}), encoding="utf-8")
    for plan in xlmerge.check(path).plans:
        assert plan.parameters["layers"] == tuple([layers] if layers == -1 else layers)


def test_the_schema_takes_a_list_and_a_number(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from xlmerge.cli import main

    del place
    jsonschema = pytest.importorskip("jsonschema")
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["schema"])
    validator = jsonschema.Draft202012Validator(json.loads(capsys.readouterr().out))

    def valid(layers: Any) -> bool:
        step = {**RECIPE["steps"]["meta"], **_with(layers=layers)}
        return bool(validator.is_valid({**RECIPE, "steps": {"meta": step}}))

    assert [valid(v) for v in ([1, -1], -1, [0])] == [True] * 3
    assert [valid(v) for v in ([], [0.5], "top", ["top"], 0.5, {})] == [False] * 6
