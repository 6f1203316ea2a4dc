"""Where a run may write, and what it may replace."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from builders import (
    listing,
    make,
    merge,
    merge_error,
    run,
    run_problems,
    snapshot,
    tensors,
    write_recipe,
)

STEP: dict[str, Any] = {"merge": "linear", "adapters": {"a": 0.5, "b": 0.5}}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe on two adapters, in a folder of its own."""
    home = tmp_path / "home"
    for seed, name in enumerate("ab"):
        make(home / name, "seq_bn", seed=seed)
    return write_recipe(home, {"a": "./a", "b": "./b"}, {"out": STEP})


# --- the place --------------------------------------------------------------------------------


def test_beside_the_recipe(recipe: Path) -> None:
    run(recipe)
    assert (recipe.parent / "recipe" / "out" / "pytorch_adapter.bin").is_file()
    assert sorted(path.name for path in (recipe.parent / "recipe").iterdir()) == [
        "out",
        "xlmerge-run.json",
    ]


def test_from_another_folder(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths in a recipe are relative to it, `-o` to where one is."""
    monkeypatch.chdir(tmp_path)
    run(recipe.relative_to(tmp_path))
    assert (recipe.parent / "recipe" / "out").is_dir()
    run(recipe.relative_to(tmp_path), output=Path("elsewhere"))
    assert (tmp_path / "elsewhere" / "out").is_dir()


def test_in_the_current_folder(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(recipe.parent)
    run(Path("recipe.yaml"))
    assert (recipe.parent / "recipe" / "out").is_dir()
    run(Path("recipe.yaml"), output=Path())
    assert (recipe.parent / "out").is_dir()


@pytest.mark.parametrize("name", ["recipe", ".recipe", "c.d"])
def test_without_the_usual_extension(recipe: Path, name: str) -> None:
    renamed = recipe.rename(recipe.with_name(name))
    run(renamed)
    expected = {"recipe": "recipe-output", ".recipe": ".recipe-output", "c.d": "c"}[name]
    assert (recipe.parent / expected / "out").is_dir()
    assert renamed.is_file()


def test_an_input_named_like_the_recipe(recipe: Path) -> None:
    renamed = recipe.rename(recipe.with_name("a.yaml"))
    [problem] = run_problems(renamed)
    assert "the output" in problem
    assert "the input a" in problem
    assert "overlap" in problem
    assert "-o" in problem


@pytest.mark.parametrize("place", ["a", "a/deeper/out", "."])
def test_over_inside_and_above_an_input(recipe: Path, place: str) -> None:
    home = recipe.parent
    before = snapshot(home)
    for force in (False, True):
        said = merge_error("linear", {home / "a": 1.0}, output=home / place, force=force)
        assert "overlap" in said or "holds folders" in said
    assert snapshot(home) == before


def test_over_an_input_by_a_link(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(recipe.parent / "a")
    said = merge_error("linear", {recipe.parent / "a": 1.0}, output=tmp_path / "link")
    assert "overlap" in said
    said = merge_error("linear", {tmp_path / "link": 1.0}, output=recipe.parent / "a")
    assert "overlap" in said


def test_over_a_steps_input(recipe: Path) -> None:
    step = {**STEP, "adapters": {"x": 0.5, "b": 0.5}}
    write_recipe(recipe.parent, {"x": "./a", "b": "./b"}, {"a": step})
    [problem] = run_problems(recipe, output=recipe.parent)
    assert "overlap" in problem


def test_the_current_folder(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    said = merge_error("linear", {recipe.parent / "a": 1.0}, output=place, force=True)
    assert "is the current folder" in said


def test_a_default_that_links_elsewhere(recipe: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link = recipe.parent / "recipe"
    link.symlink_to(outside)
    [problem] = run_problems(recipe)
    for word in ("outside the recipe's folder", str(outside), "-o"):
        assert word in problem
    assert not listing(outside)
    run(recipe, output=link)  # the user said so
    assert (outside / "out").is_dir()


def test_a_step_that_links_elsewhere(recipe: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (recipe.parent / "recipe").mkdir()
    (recipe.parent / "recipe" / "out").symlink_to(outside)
    [problem] = run_problems(recipe)
    assert "outside the recipe's folder" in problem
    assert not listing(outside)


def test_a_link_within_stays_a_link(recipe: Path) -> None:
    inside = recipe.parent / "inside"
    inside.mkdir()
    (recipe.parent / "recipe").symlink_to(inside)
    (inside / "real").mkdir()
    (inside / "out").symlink_to(inside / "real")
    run(recipe)
    assert (inside / "out").is_symlink()
    assert (inside / "real" / "xlmerge.json").is_file()
    write_recipe(recipe.parent, {"a": "./a"}, {"out": {**STEP, "adapters": {"a": 2.0}}})
    assert run(recipe).status == {"out": "merged"}
    assert (inside / "out").is_symlink()
    assert listing(inside) == sorted(
        ["out", "real", "xlmerge-run.json"]
        + [f"{name}/{file}" for name in ("real",) for file in os.listdir(inside / "real")]  # noqa: PTH208
    )


def test_a_link_that_leads_nowhere(recipe: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "later" / "made")
    out = merge("linear", {recipe.parent / "a": 1.0}, output=link)
    assert link.is_symlink()
    assert (tmp_path / "later" / "made" / "xlmerge.json").is_file()
    assert out == link


def test_a_file_in_the_way(recipe: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("precious")
    for place, words in ((file, "is no folder"), (file / "out", "which is a file")):
        for force in (False, True):
            assert words in merge_error(
                "linear", {recipe.parent / "a": 1.0}, output=place, force=force
            )
    assert file.read_text() == "precious"


# --- what is there ----------------------------------------------------------------------------


def test_an_empty_folder_is_filled(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    merge("linear", {recipe.parent / "a": 1.0}, output=tmp_path / "out")
    assert (tmp_path / "out" / "xlmerge.json").is_file()


def test_something_else_is_there(recipe: Path) -> None:
    out = recipe.parent / "recipe" / "out"
    out.mkdir(parents=True)
    (out / "thesis.txt").write_text("years of work")
    [problem] = run_problems(recipe)
    for word in ("exists and was not made by xlmerge", "--force", "-o"):
        assert word in problem
    assert (out / "thesis.txt").read_text() == "years of work"
    run(recipe, force=True)
    assert not (out / "thesis.txt").exists()


def test_a_tree_is_never_replaced(recipe: Path) -> None:
    out = recipe.parent / "recipe" / "out"
    (out / "project" / "src").mkdir(parents=True)
    (out / "project" / "src" / "main.c").write_text("int main;")
    [problem] = run_problems(recipe, force=True)
    assert "holds folders (project) and is not replaced, not even with --force" in problem
    assert (out / "project" / "src" / "main.c").is_file()


def test_another_recipes_output(recipe: Path, tmp_path: Path) -> None:
    run(recipe, output=tmp_path / "out")
    other = recipe.with_name("other.yaml")
    other.write_text(recipe.read_text())
    [problem] = run_problems(other, output=tmp_path / "out")
    assert "was made by 'recipe.yaml'" in problem


def test_another_recipe_of_the_same_name(recipe: Path, tmp_path: Path) -> None:
    run(recipe, output=tmp_path / "out")
    for seed, name in enumerate("ab"):
        make(tmp_path / "other" / name, "seq_bn", seed=seed + 7)
    other = write_recipe(tmp_path / "other", {"a": "./a", "b": "./b"}, {"out": STEP})
    [problem] = run_problems(other, output=tmp_path / "out")
    assert f"was made by {recipe}" in problem
    assert run(other, output=tmp_path / "out", force=True).status == {"out": "merged"}
    # A recipe that has moved is the same one.
    moved = tmp_path / "moved"
    other.parent.rename(moved)
    assert run(moved / "recipe.yaml", output=tmp_path / "out").status == {"out": "up to date"}


def test_another_command(recipe: Path, tmp_path: Path) -> None:
    home = recipe.parent
    merge("linear", {home / "a": 1.0}, output=tmp_path / "out")
    said = merge_error("linear", {home / "b": 1.0}, output=tmp_path / "out")
    assert "was made by 'xlmerge merge linear" in said
    merge("linear", {home / "a": 2.0}, output=tmp_path / "out")  # only a parameter
    merge("linear", {home / "b": 1.0}, output=tmp_path / "out", force=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("changed", "adapter_config.json was changed"),
        ("added", "notes.txt was added"),
        ("several", "README.md was changed, notes.txt was added"),
    ],
)
def test_a_changed_output(recipe: Path, change: str, words: str) -> None:
    run(recipe)
    out = recipe.parent / "recipe" / "out"
    if change == "changed":
        (out / "adapter_config.json").write_text("{}")
    else:
        (out / "notes.txt").write_text("mine")
    if change == "several":
        (out / "README.md").write_text("mine")
    [problem] = run_problems(recipe)
    for word in ("was changed since xlmerge wrote it", words, "keep a copy", "--force"):
        assert word in problem
    assert run(recipe, force=True).status == {"out": "merged"}
    assert not (out / "notes.txt").exists()


def test_a_removed_file_is_made_again(recipe: Path) -> None:
    """There is nothing to lose."""
    run(recipe)
    before = snapshot(recipe.parent / "recipe" / "out")
    (recipe.parent / "recipe" / "out" / "README.md").unlink()
    assert run(recipe).status == {"out": "merged"}
    assert snapshot(recipe.parent / "recipe" / "out") == before


@pytest.mark.parametrize(
    "record", ["", "{}", "[]", '{"outputs": 3}', '{"outputs": {"../../a": 1}, "recipe": 5}']
)
def test_a_record_that_was_tampered_with(recipe: Path, record: str) -> None:
    run(recipe)
    (recipe.parent / "recipe" / "out" / "xlmerge.json").write_text(record)
    [problem] = run_problems(recipe)
    assert "exists and was" in problem
    assert run(recipe, force=True).status == {"out": "merged"}


def test_other_parameters_replace(recipe: Path) -> None:
    run(recipe)
    first = tensors(recipe.parent / "recipe" / "out")
    assert run(recipe, overrides=["steps.out.adapters.a=2"]).status == {"out": "merged"}
    second = tensors(recipe.parent / "recipe" / "out")
    assert any((first[key] != second[key]).any() for key in first)
