"""Every class of errors has its exit code, one paragraph on stderr, and nothing on stdout."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest

from xlmerge import errors
from xlmerge.errors import Problem, RecipeError, XLMergeError

from . import folders

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import CommandLine

CLASSES = [
    each
    for _, each in inspect.getmembers(errors, inspect.isclass)
    if issubclass(each, XLMergeError)
]
CODES = {
    "XLMergeError": 1,
    "RecipeError": 2,
    "ParameterError": 2,
    "PluginError": 3,
    "PluginLoadError": 3,
    "CheckpointError": 4,
    "UnsupportedAdapterError": 4,
    "SpaceError": 5,
    "MergeError": 6,
    "OutputError": 7,
    "HubError": 8,
    "CompositionError": 9,
    "DataError": 10,
    "ModelError": 11,
    "TrainingError": 12,
}


def test_the_codes_stay_as_they_are() -> None:
    found = {each.__name__: each.exit_code for each in CLASSES}
    assert {name: code for name, code in found.items() if name in CODES} == {
        name: code for name, code in CODES.items() if name in found
    }
    assert set(found) <= set(CODES), "a new class needs a line here and in docs/reference/errors.md"


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_any_error_is_one_paragraph(
    xl: CommandLine, monkeypatch: pytest.MonkeyPatch, kind: type[XLMergeError]
) -> None:
    if kind is RecipeError:
        error: XLMergeError = RecipeError([Problem(message="wrong", hint="mend it")])
    else:
        error = kind("wrong", hint="mend it")

    def fail() -> None:
        raise error

    monkeypatch.setattr("xlmerge.plugin.discover", fail)
    shown = xl("methods")
    assert shown.code == kind.exit_code
    assert shown.err == "error: wrong\n  -> mend it\n"
    assert not shown.out


def test_what_the_system_refuses_is_one_line(
    xl: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise PermissionError(13, "Permission denied", "somewhere")

    monkeypatch.setattr("xlmerge.plugin.discover", fail)
    shown = xl("methods")
    assert (shown.code, shown.err) == (1, "error: somewhere: Permission denied\n")


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    from xlmerge.cli import main

    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("xlmerge.plugin.discover", fail)
    with pytest.raises(ZeroDivisionError):
        main(["methods"])


# --- met by the way -------------------------------------------------------------------------------


def test_missing_folder(xl: CommandLine, work: Path) -> None:
    assert xl("inspect", "./nowhere").code == 4


def test_no_adapter(xl: CommandLine, work: Path) -> None:
    (work / "empty").mkdir()
    shown = xl("inspect", "empty")
    assert shown.code == 4
    assert "adapter_config.json is missing" in shown.err


def test_truncated_file(xl: CommandLine, work: Path) -> None:
    file = work / "en" / "adapter.safetensors"
    file.write_bytes(file.read_bytes()[:-5])
    assert xl("inspect", "en").code == 4
    assert xl("diff", "id", "en").code == 4
    shown = xl("merge", "slerp", "id", "en", "-o", "out")
    assert shown.code == 2  # found while checking, with whatever else is wrong
    assert not (work / "out").exists()


def test_unsupported(xl: CommandLine, work: Path) -> None:
    folders.lora(work / "dora", seed=1, use_dora=True)
    shown = xl("inspect", "dora")
    assert shown.code == 4
    assert "DoRA" in shown.err


def test_not_finite(xl: CommandLine, work: Path) -> None:
    file = work / "en" / "adapter.safetensors"
    file.write_bytes(file.read_bytes()[:-4] + b"\x00\x00\x80\x7f")
    shown = xl("merge", "slerp", "id", "en", "-o", "out")
    assert shown.code == 4
    assert "NaN or infinite" in shown.err
    assert sorted(path.name for path in work.iterdir() if "out" in path.name) == []


def test_identical_references(xl: CommandLine, work: Path) -> None:
    folders.lora(work / "emot-id-again", seed=11)
    roles = (
        "task_in_source=senti-id",
        "reference_in_source=emot-id",
        "reference_in_target=emot-id-again",
    )
    shown = xl(
        *("merge", "adamergex", "-o", "out"), *(word for role in roles for word in ("--role", role))
    )
    assert shown.code == 6
    assert "identical" in shown.err
    assert not (work / "out").exists()


def test_an_output_that_cannot_be_written(xl: CommandLine, work: Path) -> None:
    (work / "file").write_text("", encoding="utf-8")
    shown = xl("merge", "slerp", "en", "id", "-o", "file/out")
    assert shown.code in {2, 7}
    assert "file" in shown.err


def test_output_over_an_input(xl: CommandLine, work: Path) -> None:
    before = (work / "en" / "adapter.safetensors").read_bytes()
    shown = xl("merge", "slerp", "en", "id", "-o", "en", "--force")
    assert shown.code == 2
    assert (work / "en" / "adapter.safetensors").read_bytes() == before


def test_the_hub_offline(xl: CommandLine, work: Path) -> None:
    shown = xl("inspect", "someone/not-there")
    assert shown.code == 8
    assert "hf download someone/not-there" in shown.err
