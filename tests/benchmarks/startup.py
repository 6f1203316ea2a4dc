"""Commands that hardly do anything: what is left is starting up."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from measure import Measurement, Run, launch, summary
from ours import command_line

__all__ = ["Start", "startup_times"]

RECIPE = """version: 1
adapters: {{first: {first}, second: {second}}}
steps:
  mean: {{merge: linear, adapters: {{first: 0.5, second: 0.5}}}}
"""


@dataclass(frozen=True, slots=True)
class Start:
    """A command and what it took; whether the budget for starting holds for it."""

    name: str
    measured: Measurement
    budgeted: bool


def startup_times(folder: Path, inputs: Path, runs: int) -> list[Start]:
    """Times of bare Python, of click, and of xlmerge's commands in a folder with a recipe."""
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE.format(first=inputs / "language0", second=inputs / "language1"))
    commands: dict[str, list[str]] = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "python -c 'import click'": [sys.executable, "-c", "import click"],
        "python -c 'import numpy'": [sys.executable, "-c", "import numpy"],
        "python -c 'import xlmerge'": [sys.executable, "-c", "import xlmerge"],
    }
    ours = {"--help", "plugins", "methods", "check recipe.yaml"}
    if program := command_line():
        commands |= {f"xlmerge {line}": [*program, *line.split()] for line in sorted(ours)}
        again = [*program, "run", "recipe.yaml"]
        launch(again, folder)
        commands["xlmerge run recipe.yaml, nothing to do"] = again
    taken: dict[str, list[Run]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, command in commands.items():
            run = launch(command, folder)
            if turn:  # the first is a warm-up
                taken[name].append(run)
    return [
        Start(name, summary(found), name.removeprefix("xlmerge ") in ours)
        for name, found in taken.items()
    ]
