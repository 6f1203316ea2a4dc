"""``xlmerge run`` and ``xlmerge check``."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import CommandLine

STEPS = ("bridge", "javanese_sentiment")


def test_run(xl: CommandLine, work: Path) -> None:
    shown = xl("run", "recipe.yaml")
    assert (shown.code, shown.err) == (0, "")
    lines = shown.out.splitlines()
    assert [line for line in lines if "merged" in line] == [
        line for step in STEPS for line in lines if line.startswith(f"{step}: merged ")
    ]
    assert all((work / "recipe" / step / "adapter_config.json").is_file() for step in STEPS)


def test_a_second_run_does_nothing(xl: CommandLine, work: Path) -> None:
    xl("run", "recipe.yaml")
    shown = xl("run", "recipe.yaml")
    assert shown.code == 0
    assert shown.out.count("up to date") == 2
    assert "merged" not in shown.out


def test_a_recipe_elsewhere(
    xl: CommandLine,
    work: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("else where"))
    assert xl("run", work / "recipe.yaml").code == 0
    assert (work / "recipe" / "bridge").is_dir()
    relative = os.path.relpath(work / "recipe.yaml")
    assert "up to date" in xl("run", relative).out
    assert xl("run", relative, "-o", "my results").code == 0
    assert Path("my results", "bridge", "adapter_config.json").is_file()


def test_set(xl: CommandLine, work: Path) -> None:
    shown = xl(
        *("run", "recipe.yaml", "--dry-run", "--set", "steps.bridge.merge=slerp"),
        *("--set", "steps.bridge.adapters=[english, indonesian]"),
        *("--set", "steps.bridge.with.t={layers.0: 0.2, default: 1}"),
    )
    assert shown.code == 0, shown.err
    assert "slerp(english, indonesian)" in shown.out
    assert '"layers.0": 0.2' in shown.out


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("steps.bridge.merge", "`=` is missing"),
        ("steps.bridge.mrege=linear", "mrege"),
        ("steps.javanese_sentiment.with.t=5", "--set steps.javanese_sentiment.with.t"),
    ],
)
def test_a_wrong_set(xl: CommandLine, work: Path, command: str, override: str, said: str) -> None:
    shown = xl(command, "recipe.yaml", "--set", override)
    assert shown.code == 2
    assert said in shown.err
    assert not shown.out


@pytest.mark.parametrize("command", [["check"], ["run", "--dry-run"]])
def test_nothing_is_written_by_looking(xl: CommandLine, work: Path, command: list[str]) -> None:
    before = sorted(work.rglob("*"))
    shown = xl(*command, "recipe.yaml")
    assert (shown.code, shown.err) == (0, "")
    assert "step bridge: language_arithmetic(0.4 * english, 0.6 * indonesian)" in shown.out
    assert "adapter english: bottleneck + nice (adapters), base model someone/tiny" in shown.out
    assert sorted(work.rglob("*")) == before


def test_quiet(xl: CommandLine, work: Path) -> None:
    assert xl("check", "recipe.yaml", "-q").out == ""
    assert xl("run", "recipe.yaml", "-q").out == ""


WRONG = """\
version: 1
base_model: someone/tiny
adapters:
  english: ./en
  indonesian: ./nowhere
steps:
  bridge:
    merge: liner
    adapters: {english: 1}
  other:
    merge: slerp
    adapters: [english, english_too]
    wiht: {t: 1}
"""


def test_check_lists_what_is_wrong_with_the_text(xl: CommandLine, work: Path) -> None:
    (work / "wrong.yaml").write_text(WRONG, encoding="utf-8")
    shown = xl("check", "wrong.yaml")
    assert shown.code == 2
    assert shown.err.startswith("error: 2 problems:\n")
    places = re.findall(r"^wrong\.yaml:(\d+):\d+: ", shown.err, re.MULTILINE)
    assert places == ["12", "13"]
    assert "did you mean `with`" in shown.err
    assert not shown.out


def test_check_lists_what_is_wrong_with_the_adapters(xl: CommandLine, work: Path) -> None:
    text = WRONG.replace("wiht", "with").replace("english_too", "indonesian")
    (work / "wrong.yaml").write_text(text, encoding="utf-8")
    shown = xl("check", "wrong.yaml")
    assert shown.code == 2
    assert re.findall(r"^wrong\.yaml:(\d+):\d+: ", shown.err, re.MULTILINE) == ["5", "8"]
    assert "nowhere" in shown.err
    assert "'linear'" in shown.err


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no such file"),
        (b"", "the text is empty"),
        (b"\xff\xfe", "UTF-8"),
        (b"version: 1\nsteps: {", "wrong.yaml:2"),
        (b"version: 2\n", "version 1"),
        (b"- a\n- b\n", "expected a recipe"),
        (b"version: 1\nversion: 1\nsteps: {}\n", "twice"),
    ],
)
def test_unreadable_recipes(
    xl: CommandLine, work: Path, command: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (work / "wrong.yaml").write_bytes(content)
    shown = xl(command, "wrong.yaml")
    assert shown.code == 2
    assert said in shown.err


def test_a_folder_is_no_recipe(xl: CommandLine, work: Path) -> None:
    shown = xl("run", "en")
    assert shown.code == 2
    assert "folder" in shown.err


def test_unused_adapters_are_told(xl: CommandLine, work: Path) -> None:
    shown = xl("check", "recipe.yaml", "--set", "adapters.javanese=./jv")
    assert shown.code == 0
    assert shown.err == "warning: the adapter javanese is not used\n"
