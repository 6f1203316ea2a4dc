"""What is there is not made again, and nothing of a user's is lost."""

from __future__ import annotations

import csv
import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from xlmerge.demo.folder import RECORD, base_is_made, make_files
from xlmerge.demo.phrasebook import KINDS
from xlmerge.demo.settings import Settings
from xlmerge.errors import DataError, OutputError

if TYPE_CHECKING:
    from pathlib import Path

SMALL = Settings(read=("cs", "hr"), targets=("hsb",), lines=20, train_per_kind=4, test_per_kind=3)


def test_files(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "demo"
    assert make_files(folder, SMALL)
    assert len((folder / "text" / "hr.txt").read_text(encoding="utf-8").splitlines()) == 20
    with (folder / "data" / "hsb-test.csv").open(encoding="utf-8", newline="") as file:
        labels = Counter(row["label"] for row in csv.DictReader(file))
    assert labels == dict.fromkeys(KINDS, 3)
    assert not (folder / "data" / "hr-train.csv").exists()  # only read, not trained for
    assert (folder / "recipe.yaml").is_file()


def test_a_second_time_does_nothing(tmp_path: Path) -> None:
    make_files(tmp_path, SMALL)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert not make_files(tmp_path, SMALL)
    assert before == {
        path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()
    }


def test_other_settings_write_again(tmp_path: Path) -> None:
    make_files(tmp_path, SMALL)
    other = Settings(**{**_fields(SMALL), "seed": 7})
    assert make_files(tmp_path, other)
    assert "seed: [7, 8, 9]" in (tmp_path / "recipe.yaml").read_text(encoding="utf-8")


def _fields(settings: Settings) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(settings)


def test_a_lost_file_is_written_again(tmp_path: Path) -> None:
    make_files(tmp_path, SMALL)
    content = (tmp_path / "text" / "cs.txt").read_bytes()
    (tmp_path / "text" / "cs.txt").unlink()
    assert make_files(tmp_path, SMALL)
    assert (tmp_path / "text" / "cs.txt").read_bytes() == content


@pytest.mark.parametrize("settings", [SMALL, Settings(seed=3)], ids=["same", "other"])
def test_a_changed_file_is_kept(tmp_path: Path, settings: Settings) -> None:
    make_files(tmp_path, SMALL)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("mine: 1\n", encoding="utf-8")
    with pytest.raises(OutputError, match=r"recipe\.yaml: was changed"):
        make_files(tmp_path, settings)
    assert recipe.read_text(encoding="utf-8") == "mine: 1\n"
    assert make_files(tmp_path, SMALL, force=True)
    assert recipe.read_text(encoding="utf-8") != "mine: 1\n"


def test_a_folder_of_someone_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x", encoding="utf-8")
    with pytest.raises(OutputError, match="not empty"):
        make_files(tmp_path, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("x", encoding="utf-8")
    with pytest.raises(OutputError, match="is a file"):
        make_files(tmp_path / "demo", SMALL)


def test_an_unknown_language_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        make_files(tmp_path / "demo", Settings(targets=("nowhere",)))
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize("damage", ["[", "[]", "null", '{"making": 3, "files": {}}'])
def test_a_damaged_record(tmp_path: Path, damage: str) -> None:
    """Without a record nothing is known to be ours."""
    make_files(tmp_path, SMALL)
    (tmp_path / RECORD).write_text(damage, encoding="utf-8")
    if json_object(damage):
        assert make_files(tmp_path, SMALL)
        return
    with pytest.raises(OutputError, match="not empty"):
        make_files(tmp_path, SMALL)


def json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def test_there_is_no_base_model_before_it_was_made(tmp_path: Path) -> None:
    make_files(tmp_path, SMALL)
    assert not base_is_made(tmp_path, SMALL)
