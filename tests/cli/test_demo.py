"""The demonstration from end to end, on a smaller scale than a user's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import CommandLine

# The command with settings of its own, then what it imported.
SMALL = """
import sys
from pathlib import Path
from xlmerge.cli import main
from xlmerge.demo import settings

class Small(settings.Settings):
    def __init__(self, seed=0):
        super().__init__(
            read=("cs", "hr"), targets=("hsb",), seed=seed, repetitions=2, lines=200,
            train_per_kind=8, test_per_kind=6, base_steps=20, language_steps=4, task_steps=6,
        )

settings.Settings = Small
try:
    main(["demo", *sys.argv[1:]])
except SystemExit as end:
    print("torch imported:", "torch" in sys.modules)
    raise
"""


def demo(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SMALL, *arguments],
        cwd=cwd,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a finished demonstration, and what was printed."""
    pytest.importorskip("adapters")
    cwd = tmp_path_factory.mktemp("demo")
    first = demo(cwd=cwd)
    assert first.returncode == 0, first.stdout + first.stderr
    return cwd, first.stdout


@pytest.mark.libraries
class TestWhole:
    def test_every_step_is_printed_before_it_is_done(self, done: tuple[Path, str]) -> None:
        printed = done[1]
        places = [
            printed.index(text)
            for text in (
                "base: loss",
                "base_model: base",
                "train: language_adapter",
                "language/cs: trained",
                "train: task_adapter",
                "types/0: trained",
                "merge: language_arithmetic",
                "half/hsb: merged",
                "evaluate: {sequence_classification",
                "macro_f1",
                "What this shows:",
            )
        ]
        assert places == sorted(places)

    def test_what_is_printed_is_the_recipe(self, done: tuple[Path, str]) -> None:
        cwd, printed = done
        lines = (cwd / "xlmerge-demo" / "recipe.yaml").read_text(encoding="utf-8").splitlines()
        assert not [line for line in lines if line not in {"", "steps:"} and line not in printed]

    def test_the_findings_are_those_of_the_table(self, done: tuple[Path, str]) -> None:
        from xlmerge.demo.findings import findings

        cwd, printed = done
        path = cwd / "xlmerge-demo" / "recipe" / "transfer" / "table.json"
        table = json.loads(path.read_text(encoding="utf-8"))
        assert table["columns"] == ["hsb"]
        said = " ".join(printed.split())
        for line in findings(table, ["cs", "hr"]):
            assert " ".join(line.split()) in said

    def test_a_second_time_is_instant(self, done: tuple[Path, str]) -> None:
        """Nothing is trained, scored or imported again, and the same is said."""
        cwd, printed = done
        again = demo(cwd=cwd)
        assert again.returncode == 0, again.stderr
        assert "torch imported: False" in again.stdout
        assert "base: up to date" in again.stdout
        assert "trained in" not in again.stdout
        assert _ending(again.stdout) == _ending(printed)

    def test_quiet(self, done: tuple[Path, str]) -> None:
        printed = demo("--quiet", cwd=done[0])
        assert printed.stderr == ""
        assert "version: 1" not in printed.stdout
        assert "up to date" not in printed.stdout
        assert _ending(printed.stdout) == _ending(done[1])

    def test_the_recipe_can_be_run_by_itself(self, done: tuple[Path, str], xl: CommandLine) -> None:
        folder = done[0] / "xlmerge-demo"
        shown = xl("run", str(folder / "recipe.yaml"))
        assert shown.code == 0, shown.err
        assert "trained in" not in shown.out
        assert "language/hsb: up to date" in shown.out


def _ending(printed: str) -> str:
    return printed[printed.index("What this shows:") :].partition("torch imported")[0]


def test_plan_writes_a_recipe_that_passes(xl: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    planned = demo("--plan", "-o", str(folder), cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr
    assert "torch imported: False" in planned.stdout
    assert "evaluate: {sequence_classification" in planned.stdout
    assert sorted(path.name for path in folder.iterdir()) == [
        "data",
        "demo.json",
        "recipe.yaml",
        "text",
    ]
    checked = xl("check", str(folder / "recipe.yaml"))
    assert checked.code == 0, checked.err


def test_a_folder_of_someone_else(xl: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    refused = xl("demo", "--plan", "-o", str(tmp_path))
    assert refused.code == 7
    assert "not empty" in refused.err
    assert "-o" in refused.err
