"""Merges and runs with the installed plugins, which are loaded once for all tests."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

import xlmerge
from xlmerge.errors import RecipeError, XLMergeError
from xlmerge.plugin import discover

if TYPE_CHECKING:
    from pathlib import Path

    from xlmerge.plugin import Registry

__all__ = ["Recorder", "check_problems", "merge", "merge_error", "registry", "run", "run_problems"]


@cache
def registry() -> Registry:
    """The installed plugins."""
    return discover(strict=True)


class Recorder(xlmerge.Listener):
    """Remembers what it hears."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.status: dict[str, str] = {}
        self.progressed: list[tuple[int, int]] = []

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def progress(self, name: str, done: int, total: int) -> None:
        self.progressed.append((done, total))

    def step_finished(self, result: xlmerge.StepResult) -> None:
        self.status[result.name] = result.status


def merge(method: str, adapters: Any = None, *, output: Path, **options: Any) -> Path:
    """``xlmerge.merge`` with these plugins; gives the output folder."""
    options.setdefault("registry", registry())
    return xlmerge.merge(method, adapters, output=output, **options).folder


def merge_error(method: str, adapters: Any = None, *, output: Path, **options: Any) -> str:
    """What a merge that must fail says; also checks that it left nothing behind."""
    before = _names(output.parent)
    with pytest.raises(XLMergeError) as caught:
        merge(method, adapters, output=output, **options)
    assert _names(output.parent) == before
    return str(caught.value)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def run(recipe: Path, **options: Any) -> Recorder:
    """``xlmerge.run`` with these plugins; gives what was heard."""
    heard = Recorder()
    xlmerge.run(recipe, listener=heard, registry=registry(), **options)
    return heard


def run_problems(recipe: Path, **options: Any) -> list[str]:
    """What is wrong with a recipe that must not run."""
    with pytest.raises(RecipeError) as caught:
        run(recipe, **options)
    return [str(problem) for problem in caught.value.problems]


def check_problems(recipe: Path, **options: Any) -> list[str]:
    """The same, checked only."""
    with pytest.raises(RecipeError) as caught:
        xlmerge.check(recipe, registry=registry(), **options)
    return [str(problem) for problem in caught.value.problems]
