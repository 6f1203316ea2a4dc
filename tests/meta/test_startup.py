"""Starting is cheap: what a command does not need, it does not import.

Each case runs in a process of its own, since another test may have imported anything.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

MODEL_SIDE = frozenset({"torch", "transformers", "adapters", "peft", "datasets"})
ARRAYS = frozenset({"numpy"})
# Slow to import, and of no use to whoever only asks what there is.
LATE = ARRAYS | {"huggingface_hub", "pydantic", "rich"}

# Runs a statement, then tells on the last line which of the modules it asks for were imported.
# A command line ends in SystemExit; its code is passed on.
PROBE = """
import json, sys
code = 0
try:
    exec(sys.argv[1])
except SystemExit as end:
    code = end.code or 0
sys.stdout.flush()
print()
print(json.dumps({"code": code, "modules": [name for name in sys.modules if "." not in name]}))
"""


@dataclass(frozen=True)
class Command:
    """A command line, in a folder with two adapters and a recipe, and what it may not import."""

    argv: tuple[str, ...]
    without: frozenset[str] = MODEL_SIDE

    def __str__(self) -> str:
        return " ".join(self.argv) or "no arguments"


# A command that comes later is one line here.
COMMANDS = [
    Command(("--help",), MODEL_SIDE | LATE),
    Command(("--version",), MODEL_SIDE | LATE),
    Command(("plugins",), MODEL_SIDE | LATE),
    Command(("methods",), MODEL_SIDE | LATE),
    Command(("methods", "show", "ties"), MODEL_SIDE | LATE),
    Command(("schema",)),
    Command(("check", "recipe.yaml")),
    Command(("inspect", "first")),
    Command(("inspect", "first", "second")),
    Command(("diff", "first", "second")),
    Command(("merge", "linear", "first", "second", "--weights", "0.5,0.5", "-o", "out")),
    Command(("run", "recipe.yaml", "-o", "out")),
    Command(("demo", "--plan", "-o", "demo")),
]


def imported_by(statement: str, cwd: Path) -> set[str]:
    """Top-level modules in ``sys.modules`` after a statement, in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, statement],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["code"] == 0, f"exit code {told['code']}\n{done.stdout}\n{done.stderr}"
    return set(told["modules"])


def test_import(tmp_path: Path) -> None:
    assert not imported_by("import xlmerge", tmp_path) & (MODEL_SIDE | ARRAYS)


def test_public_names_are_lazy(tmp_path: Path) -> None:
    assert not imported_by("import xlmerge; dir(xlmerge)", tmp_path) & (MODEL_SIDE | ARRAYS)


def test_discovery(tmp_path: Path) -> None:
    statement = "from xlmerge.plugin import discover; discover()"
    assert not imported_by(statement, tmp_path) & (MODEL_SIDE | ARRAYS)


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_command(command: Command, tiny_merge: Path) -> None:
    statement = f"from xlmerge.cli import main; main({list(command.argv)!r})"
    assert not imported_by(statement, tiny_merge) & command.without
