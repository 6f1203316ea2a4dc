"""The command line as a person meets it: arguments in, exit code, stdout and stderr out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pytest

# Imported before a test replaces `discover`: they would keep the replacement.
from xlmerge.cli import carrying_out, demonstration, main  # noqa: F401

from . import folders

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """\
version: 1
base_model: someone/tiny
adapters:
  english: ./en
  indonesian: ./id
  sentiment: ./senti-id
  emotion: ./emot-id
  emotion_jv: ./emot-jv
steps:
  bridge:
    merge: language_arithmetic
    adapters: {english: 0.4, indonesian: 0.6}
  javanese_sentiment:
    merge: adamergex
    roles:
      task_in_source: sentiment
      reference_in_source: emotion
      reference_in_target: emotion_jv
    with: {t: 0.5}
"""


@dataclass(frozen=True)
class Ended:
    """What a command left behind on the terminal."""

    code: int
    out: str
    err: str


class CommandLine(Protocol):
    """Runs ``xlmerge`` with some arguments."""

    def __call__(self, *arguments: object) -> Ended: ...


@pytest.fixture
def xl(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """Run a command in this process; whatever goes wrong, nobody sees a traceback."""

    def run(*arguments: object) -> Ended:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        assert isinstance(end.value.code, int)
        return Ended(end.value.code, out, err)

    return run


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with adapters of every kind and a recipe."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("en", "id", "jv")):
        folders.language(tmp_path / name, seed=seed)
    for seed, name in enumerate(("senti-id", "emot-id", "emot-jv"), start=10):
        folders.lora(tmp_path / name, seed=seed, head=name == "senti-id")
        folders.ia3(tmp_path / f"ia3-{name}", seed=seed)
        folders.prefix(tmp_path / f"prefix-{name}", seed=seed)
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return tmp_path
