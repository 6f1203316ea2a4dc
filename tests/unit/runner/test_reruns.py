"""Running again repeats nothing that is still true, and everything that is not."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

import xlmerge
import xlmerge.checkpoint.hashing
from builders import Recorder, edit_config, edit_tensors, make, registry, run, snapshot
from builders import write_recipe as write
from xlmerge.plugin.registry import Catalogue

if TYPE_CHECKING:
    from pathlib import Path

    from xlmerge.plugin import Registry

STEPS: dict[str, Any] = {
    "one": {"merge": "linear", "adapters": {"a": 0.5, "b": 0.5}},
    "two": {"merge": "slerp", "adapters": ["one", "c"], "with": {"t": 0.3}},
    "alone": {"merge": "linear", "adapters": {"d": 2.0}},
}
MERGED, KEPT = "merged", "up to date"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    for seed, name in enumerate("abcd"):
        make(tmp_path / name, "seq_bn", seed=seed)
    path = write(tmp_path, {name: f"./{name}" for name in "abcd"}, STEPS)
    assert set(run(path).status.values()) == {MERGED}
    return path


def change(recipe: Path, **steps: Any) -> None:
    folder = recipe.parent
    write(folder, {name: f"./{name}" for name in "abcd"}, {**STEPS, **steps})


def times(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def test_a_second_run_does_nothing(recipe: Path) -> None:
    out = recipe.parent / "recipe"
    before, content = times(out), snapshot(out)
    heard = run(recipe)
    assert heard.status == dict.fromkeys(STEPS, KEPT)
    assert heard.progressed == []
    assert times(out) == before
    assert snapshot(out) == content


def test_force_does_everything_again(recipe: Path) -> None:
    before = {path: path.read_bytes() for path in (recipe.parent / "recipe").rglob("*.bin")}
    assert set(run(recipe, force=True).status.values()) == {MERGED}
    assert {path: path.read_bytes() for path in before} == before


def test_results_of_a_second_run_tell_the_same(recipe: Path) -> None:
    results = [xlmerge.run(recipe, registry=registry(), output=recipe.parent / "o") for _ in "12"]
    first, second = results
    assert [step.status for step in second.steps] == [KEPT] * 3
    assert [step.report for step in first.steps] == [step.report for step in second.steps]
    assert first.warnings == second.warnings


def test_a_changed_input(recipe: Path) -> None:
    edit_tensors(recipe.parent / "b", lambda arrays: {k: a + 1 for k, a in arrays.items()})
    assert run(recipe).status == {"one": MERGED, "two": MERGED, "alone": KEPT}


def test_a_changed_input_of_equal_size_and_time(recipe: Path) -> None:
    """Small files are hashed whatever their time says."""
    file = recipe.parent / "c" / "pytorch_adapter.bin"
    stamp = file.stat().st_mtime_ns
    edit_tensors(recipe.parent / "c", lambda arrays: {k: a + 1 for k, a in arrays.items()})
    os.utime(file, ns=(stamp, stamp))
    assert run(recipe).status == {"one": KEPT, "two": MERGED, "alone": KEPT}


def test_a_changed_input_with_an_equal_result(recipe: Path) -> None:
    """The step that depends on it is done again; what depends on that step's bytes is not."""
    edit_config(recipe.parent / "b", dropout=0.5)
    assert run(recipe).status == {"one": MERGED, "two": KEPT, "alone": KEPT}


def test_touched_and_moved_inputs_are_the_same(recipe: Path) -> None:
    for file in (recipe.parent / "a").iterdir():
        os.utime(file)
    shutil.copytree(recipe.parent / "b", recipe.parent / "b2")
    write(recipe.parent, {"a": "./a", "b": "./b2", "c": "./c", "d": "./d"}, STEPS)
    assert set(run(recipe).status.values()) == {KEPT}


def test_files_that_are_not_read_do_not_count(recipe: Path) -> None:
    (recipe.parent / "a" / "README.md").write_text("about a")
    assert set(run(recipe).status.values()) == {KEPT}


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({**STEPS["one"], "adapters": {"a": 0.5, "b": 0.6}}, (MERGED, MERGED)),
        ({**STEPS["one"], "adapters": {"a": 0.5, "b": {"*": 0.5}}}, (MERGED, KEPT)),
        ({**STEPS["one"], "adapters": {"b": 0.5, "a": 0.5}}, (KEPT, KEPT)),
        ({**STEPS["one"], "with": {"normalize": True}}, (MERGED, KEPT)),
        ({**STEPS["one"], "with": {"normalize": False}}, (KEPT, KEPT)),
        ({**STEPS["one"], "dtype": "float32"}, (MERGED, KEPT)),
        ({**STEPS["one"], "format": "safetensors"}, (MERGED, MERGED)),
        ({"merge": "task_arithmetic", "adapters": {"a": 0.5, "b": 0.5}}, (MERGED, KEPT)),
    ],
)
def test_a_changed_step(recipe: Path, step: Any, expected: tuple[str, str]) -> None:
    change(recipe, one=step)
    assert run(recipe).status == dict(zip(STEPS, (*expected, KEPT), strict=True))


def test_a_renamed_adapter_counts(recipe: Path) -> None:
    """Draws and records go by names."""
    steps = {**STEPS, "alone": {"merge": "linear", "adapters": {"z": 2.0}}}
    write(recipe.parent, {"a": "./a", "b": "./b", "c": "./c", "z": "./d"}, steps)
    assert run(recipe).status == {"one": KEPT, "two": KEPT, "alone": MERGED}


def test_a_deleted_output(recipe: Path) -> None:
    out = recipe.parent / "recipe"
    content = snapshot(out / "one")
    shutil.rmtree(out / "one")
    assert run(recipe).status == {"one": MERGED, "two": KEPT, "alone": KEPT}
    assert snapshot(out / "one") == content


def test_everything_deleted(recipe: Path) -> None:
    content = snapshot(recipe.parent / "recipe")
    shutil.rmtree(recipe.parent / "recipe")
    assert set(run(recipe).status.values()) == {MERGED}
    del content["xlmerge-run.json"]
    again = snapshot(recipe.parent / "recipe")
    del again["xlmerge-run.json"]
    assert again == content


@pytest.mark.parametrize("what", ["methods", "architectures"])
def test_another_version_of_a_plugin(recipe: Path, what: str) -> None:
    """Only what it takes part in is done again."""
    known = registry()
    plugin = "standard"
    newer = [
        dataclasses.replace(each, version="99") if each.plugin == plugin else each
        for each in getattr(known, what).values()
    ]
    changed: Registry = dataclasses.replace(known, **{what: Catalogue("x", newer)})
    heard = Recorder()
    xlmerge.run(recipe, registry=changed, listener=heard)
    # The results are the same bytes, but that cannot be known before.
    assert heard.status == dict.fromkeys(STEPS, MERGED)


def test_another_version_of_a_plugin_that_takes_no_part(recipe: Path) -> None:
    known = registry()
    newer = [
        dataclasses.replace(each, version="99") if each.descriptor.name == "slerp" else each
        for each in known.methods.values()
    ]
    heard = Recorder()
    xlmerge.run(
        recipe,
        registry=dataclasses.replace(known, methods=Catalogue("x", newer)),
        listener=heard,
    )
    assert heard.status == {"one": KEPT, "two": MERGED, "alone": KEPT}


# --- what is remembered -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "{}",
        '{"hashes": 3, "commits": []}',
        '{"hashes": {"x": "y"}, "commits": {"a": 1}}',
        '{"recipe": "\\u0000", "hashes": {}, "commits": {}}',
    ],
)
def test_a_manifest_that_cannot_be_read(recipe: Path, text: str) -> None:
    manifest = recipe.parent / "recipe" / "xlmerge-run.json"
    good = manifest.read_text()
    manifest.write_text(text)
    assert set(run(recipe).status.values()) == {KEPT}
    assert manifest.read_text() == good


def test_large_files_are_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    real = xlmerge.checkpoint.hashing.sha256

    def counted(path: Path) -> str:
        hashed.append(path.name)
        return real(path)

    monkeypatch.setattr(xlmerge.checkpoint.hashing, "sha256", counted)
    monkeypatch.setattr(xlmerge.checkpoint.hashing, "_SMALL", 1000)
    old = 1_600_000_000_000_000_000
    for seed, name in enumerate("ab"):
        file = make(tmp_path / name, "seq_bn", seed=seed) / "pytorch_adapter.bin"
        os.utime(file, ns=(old, old))
    recipe = write(tmp_path, {"a": "./a", "b": "./b"}, {"one": STEPS["one"]})
    run(recipe)
    assert hashed.count("pytorch_adapter.bin") == 2
    hashed.clear()
    for file in (tmp_path / "recipe" / "one").iterdir():
        os.utime(file, ns=(old, old))
    assert run(recipe).status == {"one": KEPT}
    assert hashed.count("pytorch_adapter.bin") == 1  # the output, whose hash nobody had asked for
    hashed.clear()
    assert run(recipe).status == {"one": KEPT}
    assert hashed.count("pytorch_adapter.bin") == 0
    # Size and time are all that is trusted: another time, and it is read again.
    os.utime(tmp_path / "a" / "pytorch_adapter.bin", ns=(old + 1, old + 1))
    assert run(recipe).status == {"one": KEPT}
    assert hashed.count("pytorch_adapter.bin") == 1
    remembered = json.loads((tmp_path / "recipe" / "xlmerge-run.json").read_text())["hashes"]
    assert len([name for name in remembered if name.endswith(".bin")]) == 3


def test_an_input_that_changes_meanwhile(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", "seq_bn")

    class Meddler(Recorder):
        def progress(self, name: str, done: int, total: int) -> None:
            os.utime(folder / "pytorch_adapter.bin", ns=(done, done))

    with pytest.raises(xlmerge.XLMergeError, match="an input was changed while it was merged"):
        xlmerge.merge(
            "linear",
            {folder: 1.0},
            output=tmp_path / "out",
            listener=Meddler(),
            registry=registry(),
        )
    assert not (tmp_path / "out").exists()


def test_an_input_that_goes_meanwhile(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", "seq_bn")

    class Meddler(Recorder):
        def step_started(self, name: str, method: str) -> None:
            shutil.rmtree(folder)

    with pytest.raises(xlmerge.XLMergeError, match="an input has gone"):
        xlmerge.merge(
            "linear",
            {folder: 1.0},
            output=tmp_path / "out",
            listener=Meddler(),
            registry=registry(),
        )
    assert list(tmp_path.iterdir()) == []


def test_two_recipes_beside_each_other(recipe: Path) -> None:
    other = recipe.with_name("other.yaml")
    other.write_text(recipe.read_text())
    assert set(run(other).status.values()) == {MERGED}
    assert set(run(recipe).status.values()) == {KEPT}
    assert (recipe.parent / "other" / "two" / "xlmerge.json").is_file()
