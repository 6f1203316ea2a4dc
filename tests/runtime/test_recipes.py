"""Whole recipes on a tiny model: trained, merged, composed, scored, killed and gone on with."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("torch")
pytest.importorskip("adapters")
pytestmark = pytest.mark.libraries

RECIPE = """
version: 1
base_model: base
datasets:
  text: {path: "text/<language>.txt", limit: {train: 60}}
  labels: {path: "labels/<language>", labels: [early, late]}
steps:
  language:
    for_each: {language: [aa, bb]}
    train: language_adapter
    task: {masked_lm: {max_length: 16}}
    data: text
    with: {steps: 6, batch_size: 8, learning_rate: 1e-3}
  task:
    for_each: {seed: [0, 1]}
    train: task_adapter
    task: {sequence_classification: {pooling: mean, max_length: 16}}
    on: language/aa
    data: labels/aa
    with: {epochs: 2, batch_size: 8, learning_rate: 1e-2, seed: <seed>}
  bridge:
    for_each: {language: [bb]}
    merge: language_arithmetic
    adapters: {language: 0.5, language/aa: 0.5}
  scores:
    evaluate: {sequence_classification: {pooling: mean}}
    for_each: {language: [bb], seed: [0, 1]}
    data: labels
    rows:
      kept: {stack: [language/aa, task]}
      swapped: {stack: [language, task]}
      checked: {madx: {language: language, task: task}, with: {drop_last: language}}
      merged: {stack: [bridge, task]}
      interpolated: {stack: [{interpolate: {language: 0.5, language/aa: 0.5}}, task]}
      ensemble:
        ensemble: [{stack: [language/aa, task]}, {stack: [language, task]}]
        weights: [0.5, 0.5]
      alone: task
    with: {max_length: 16, bootstrap: 100}
  soup:
    evaluate: {sequence_classification: {pooling: mean}}
    data: labels/bb
    head: task/0
    rows:
      first: task/0
      weighed: {interpolate: {task/0: 1, task/1: 0}}
      language: {stack: [language/aa, {interpolate: {task/0: 0.5, task/1: 0.5}}]}
    with: {max_length: 16, bootstrap: 100}
  guessing:
    evaluate: {masked_lm: {max_length: 16}}
    for_each: {language: [aa, bb]}
    data: text
    split: train
    rows: {own: language, other: language/aa}
    with: {bootstrap: 100}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base model, data, and the recipe."""
    from builders.tiny_training import labelled, save_base, sentences

    folder = tmp_path_factory.mktemp("recipe")
    save_base(folder / "base")
    (folder / "text").mkdir()
    for at, language in enumerate(("aa", "bb")):
        lines = "\n".join(sentences(80, seed=at))
        (folder / "text" / f"{language}.txt").write_text(lines + "\n", encoding="utf-8")
        for split, count in (("train", 48), ("validation", 16), ("test", 40)):
            path = folder / "labels" / language / f"{split}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, ["text", "label"])
                writer.writeheader()
                writer.writerows(labelled(count, seed=10 * at + count))
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def result(place: Path) -> Any:
    import xlmerge

    return xlmerge.run(place / "recipe.yaml")


def test_every_step_is_there(result: Any, place: Path) -> None:
    assert [step.name for step in result.steps] == [
        "language/aa",
        "language/bb",
        "task/0",
        "task/1",
        "bridge/bb",
        "scores",
        "soup",
        "guessing",
    ]
    assert {step.status for step in result.steps} == {"trained", "merged", "evaluated"}
    assert not (place / "recipe" / ".scratch").exists()


def test_an_interpolation_takes_the_head_that_is_named(result: Any) -> None:
    [scores] = [step.report["scores"] for step in result.steps if step.name == "soup"]
    assert scores["weighed"] == scores["first"]


def test_run_again_nothing_is_done(result: Any, place: Path) -> None:
    import xlmerge

    again = xlmerge.run(place / "recipe.yaml")
    assert [step.name for step in again.steps] == [step.name for step in result.steps]
    assert {step.status for step in again.steps} == {"up to date"}


def test_the_plain_library_loads_what_was_trained(result: Any, place: Path) -> None:
    import torch
    from adapters import AutoAdapterModel
    from adapters.composition import Stack

    del result
    model = AutoAdapterModel.from_pretrained(place / "base").eval()
    info: dict[str, Any] = {}
    out = place / "recipe"
    language = model.load_adapter(str(out / "language" / "aa"), loading_info=info)
    task = model.load_adapter(str(out / "task" / "0"), with_head=False, loading_info=info)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    model.set_active_adapters(Stack(language, task))
    model.active_head = None
    with torch.no_grad():
        assert model(input_ids=torch.tensor([[0, 5, 6, 2]])).last_hidden_state.isfinite().all()


def test_a_language_adapter_brings_no_head(result: Any, place: Path) -> None:
    del result
    names = {path.name for path in (place / "recipe" / "language" / "aa").iterdir()}
    assert {"pytorch_adapter.bin", "adapter_config.json", "log.csv", "xlmerge.json"} <= names
    assert not any("head" in name for name in names)


def scores(place: Path) -> dict[tuple[str, str], float]:
    table = json.loads((place / "recipe" / "scores" / "table.json").read_text(encoding="utf-8"))
    return {(each["row"], each["column"]): each["mean"] for each in table["scores"]}


def test_interpolating_equals_merging(result: Any, place: Path) -> None:
    del result
    found = scores(place)
    assert found["interpolated", "bb"] == found["merged", "bb"]
    lines = [
        (place / "recipe" / "scores" / "predictions" / row / "bb" / "seed-0.jsonl").read_text(
            encoding="utf-8"
        )
        for row in ("interpolated", "merged")
    ]
    assert lines[0] == lines[1]


def test_scores_follow_from_the_predictions(result: Any, place: Path) -> None:
    from sklearn.metrics import f1_score

    del result
    table = json.loads((place / "recipe" / "scores" / "table.json").read_text(encoding="utf-8"))
    for each in table["scores"]:
        for seed, score in each["seeds"].items():
            path = place / "recipe" / "scores" / "predictions" / each["row"] / "bb"
            lines = (path / f"seed-{seed}.jsonl").read_text(encoding="utf-8").splitlines()
            rows = [json.loads(line) for line in lines]
            assert len(rows) == 40
            gold, predicted = ([row[key] for row in rows] for key in ("label", "prediction"))
            assert score == pytest.approx(100 * f1_score(gold, predicted, average="macro"))


def test_all_metrics_are_in_the_csv(result: Any, place: Path) -> None:
    del result
    with (place / "recipe" / "scores" / "table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["metric"] for row in rows} == {"macro_f1", "accuracy"}
    assert len(rows) == 7 * 2 * 2
    guessed = json.loads((place / "recipe" / "guessing" / "table.json").read_text(encoding="utf-8"))
    assert guessed["metric"] == "perplexity"
    assert not guessed["greater_is_better"]


def test_scores_of_the_composition_equal_those_by_hand(result: Any, place: Path) -> None:
    """The plain library, one text at a time, without padding, and the head from its file."""
    import torch
    from adapters import AutoAdapterModel
    from adapters.composition import Stack
    from transformers import AutoTokenizer

    del result
    out = place / "recipe"
    model = AutoAdapterModel.from_pretrained(place / "base").eval()
    tokenizer = AutoTokenizer.from_pretrained(place / "base")
    language = model.load_adapter(str(out / "language" / "bb"))
    task = model.load_adapter(str(out / "task" / "1"), with_head=False)
    head = torch.load(out / "task" / "1" / "pytorch_model_head.bin", weights_only=True)
    [weight] = [value for key, value in head.items() if key.endswith("weight")]
    [bias] = [value for key, value in head.items() if key.endswith("bias")]
    config = json.loads((out / "task" / "1" / "head_config.json").read_text(encoding="utf-8"))
    names = {at: name for name, at in config["config"]["label2id"].items()}
    model.set_active_adapters(Stack(language, task))
    model.active_head = None
    path = out / "scores" / "predictions" / "swapped" / "bb" / "seed-1.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        inputs = tokenizer(row["text"], truncation=True, max_length=16, return_tensors="pt")
        with torch.no_grad():
            states = model(**inputs).last_hidden_state[0]
        logits = states.mean(0) @ weight.T + bias
        assert row["prediction"] == names[int(logits.argmax())]


def test_a_killed_run_goes_on_to_the_same_bytes(result: Any, place: Path, tmp_path: Path) -> None:
    """Killed in the middle of a training; what was finished is not done again."""
    del result
    command = [sys.executable, "-m", "xlmerge", "run", str(place / "recipe.yaml"), "-o"]
    command += [str(tmp_path / "out"), "--set", "steps.language.with.save_every=2", "--quiet"]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    scratch, limit = tmp_path / "out" / ".scratch", time.monotonic() + 120
    while not list(scratch.glob("language__bb/*/checkpoint-*/complete.json")):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < limit
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    first = tmp_path / "out" / "language" / "aa" / "pytorch_adapter.bin"
    written = first.stat().st_mtime_ns
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert first.stat().st_mtime_ns == written
    import torch

    for name in ("language/aa", "language/bb", "task/0", "task/1"):
        one, two = (
            torch.load(folder / name / "pytorch_adapter.bin", weights_only=True)
            for folder in (place / "recipe", tmp_path / "out")
        )
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one)
    assert scores(place) == {
        (each["row"], each["column"]): each["mean"]
        for each in json.loads(
            (tmp_path / "out" / "scores" / "table.json").read_text(encoding="utf-8")
        )["scores"]
    }
