"""The recipe of the demonstration is one, and nothing of it goes unexplained."""

from __future__ import annotations

import pytest

from xlmerge.demo.recipe import BASELINE, HALF, NONE, OWN, TABLE, recipe_text, sections
from xlmerge.demo.settings import SOURCE, Settings
from xlmerge.recipe import recipe_from_text


def test_it_is_a_recipe() -> None:
    settings = Settings()
    loaded = recipe_from_text(recipe_text(settings), "recipe.yaml")
    assert [section.step for section in sections(settings)] == ["", *loaded.recipe.steps]


def test_the_table_has_the_rows_that_the_findings_speak_of() -> None:
    recipe = recipe_from_text(recipe_text(Settings()), "recipe.yaml").recipe
    step = recipe.steps[TABLE]
    assert list(step.rows) == [NONE, BASELINE, HALF, OWN]
    assert step.baseline == BASELINE


def test_labels_are_used_in_the_source_only() -> None:
    text = recipe_text(Settings())
    assert f"phrases/{SOURCE}" in text
    assert not [target for target in Settings().targets if f"phrases/{target}" in text]


def test_every_piece_is_explained() -> None:
    assert all(section.explanation and section.yaml for section in sections(Settings()))


@pytest.mark.parametrize("seed", [0, 10])
def test_seeds_follow_each_other(seed: int) -> None:
    settings = Settings(seed=seed, repetitions=2)
    assert settings.seeds == (seed, seed + 1)
    assert f"seed: [{seed}, {seed + 1}]" in recipe_text(settings)
