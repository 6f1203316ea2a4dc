"""Hub repositories, through a faked client: pins, updates, no network."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import huggingface_hub
import pytest
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

import xlmerge
from builders import check_problems, edit_tensors, make, run, write_recipe
from xlmerge.checkpoint.hub import locate
from xlmerge.errors import CheckpointError, HubError

if TYPE_CHECKING:
    from pathlib import Path

REPO = "someone/adapter"


class Hub:
    """Repositories as folders, one a commit, as the hub's cache lays them out."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.head = ""
        self.asked: list[tuple[str, str | None]] = []
        self.error: Exception | None = None

    def commit(self, name: str, seed: int, sub: str = "") -> None:
        make(self.root / name / sub, "seq_bn", seed=seed, name="adapter")
        self.head = name

    def snapshot_download(
        self, repo: str, *, revision: str | None = None, allow_patterns: list[str]
    ) -> str:
        self.asked.append((repo, revision))
        if self.error is not None:
            raise self.error
        assert all(isinstance(pattern, str) for pattern in allow_patterns)
        return str(self.root / (revision or self.head))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    fake = Hub(tmp_path / "cache")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake.snapshot_download)
    fake.commit("c0ffee", 1)
    return fake


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return write_recipe(tmp_path, {"a": REPO}, {"out": {"merge": "linear", "adapters": {"a": 1.0}}})


def test_a_pin_holds_until_an_update(hub: Hub, recipe: Path) -> None:
    assert run(recipe).status == {"out": "merged"}
    hub.commit("decade", 2)
    assert run(recipe).status == {"out": "up to date"}
    assert hub.asked == [(REPO, None), (REPO, "c0ffee")]
    assert run(recipe, update=True).status == {"out": "merged"}
    assert run(recipe).status == {"out": "up to date"}
    assert hub.asked[2:] == [(REPO, None), (REPO, "decade")]
    manifest = json.loads((recipe.parent / "recipe" / "xlmerge-run.json").read_text())
    assert manifest["commits"] == {REPO: "decade"}
    record = json.loads((recipe.parent / "recipe" / "out" / "xlmerge.json").read_text())
    assert record["inputs"][0]["commit"] == "decade"
    assert record["inputs"][0]["reference"] == REPO


def test_a_revision_of_the_recipes_own(hub: Hub, recipe: Path) -> None:
    run(recipe)
    hub.commit("decade", 2)
    write_recipe(
        recipe.parent,
        {"a": f"{REPO}@decade"},
        {"out": {"merge": "linear", "adapters": {"a": 1.0}}},
    )
    assert run(recipe).status == {"out": "merged"}
    assert hub.asked[-1] == (REPO, "decade")


def test_a_folder_in_a_repository(hub: Hub, tmp_path: Path) -> None:
    hub.commit("feed", 3, sub="languages/jv")
    located = locate(f"{REPO}/languages/jv", tmp_path)
    assert located.path == hub.root / "feed" / "languages" / "jv"
    assert located.commit == "feed"
    with pytest.raises(HubError, match="no adapter files in the folder languages/xx"):
        locate(f"{REPO}/languages/xx", tmp_path)


def test_what_exists_as_a_folder_is_a_folder(hub: Hub, tmp_path: Path) -> None:
    folder = make(tmp_path / "someone" / "adapter", "seq_bn")
    assert locate(REPO, tmp_path).path == folder
    assert hub.asked == []


def response(error: type[Exception]) -> Exception:
    made = error.__new__(error)
    Exception.__init__(made, "the hub's own words\nand more of them")
    return made


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (response(LocalEntryNotFoundError), ["cannot be reached", "hf download", "also offline"]),
        (ConnectionError("offline mode is enabled"), ["offline mode is enabled", "hf download"]),
        (OSError(), ["cannot be reached", "OSError"]),
        (ValueError("something of httpx"), ["something of httpx"]),
        (response(RepositoryNotFoundError), ["neither a folder (", "nor a repository", "spelling"]),
        (response(RevisionNotFoundError), ["has no revision", "--update"]),
        (response(GatedRepoError), ["gated", "hf auth login"]),
    ],
)
def test_what_the_hub_says(hub: Hub, recipe: Path, error: Exception, words: list[str]) -> None:
    hub.error = error
    [problem] = check_problems(recipe)
    for word in ("recipe.yaml:", REPO, *words):
        assert word in problem
    assert not (recipe.parent / "recipe").exists()


def test_without_the_hub_what_is_pinned_is_found(hub: Hub, recipe: Path) -> None:
    """The cache answers for commits, and what was merged stands."""
    run(recipe)
    shutil.rmtree(hub.root / "c0ffee")
    hub.error = ConnectionError("no network")
    [problem] = check_problems(recipe)
    assert "no network" in problem
    hub.error = None
    hub.commit("c0ffee", 1)
    assert run(recipe).status == {"out": "up to date"}
    edit_tensors(hub.root / "c0ffee", lambda arrays: {k: a * 2 for k, a in arrays.items()})
    assert run(recipe).status == {"out": "merged"}


@pytest.mark.parametrize(
    "reference",
    [
        "./a",
        "../a",
        "/no/such",
        "~nobody/a",
        "a",
        "a/../b",
        "x" * 5000,
        "a\0b",
        "a b/c",
        "C:\\a",
        "owner/name/../../../etc",
        "owner/..",
    ],
)
def test_what_is_no_hub_id_is_a_path(hub: Hub, tmp_path: Path, reference: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        locate(reference, tmp_path)
    assert hub.asked == []
    assert "no such folder" in str(caught.value) or "no path" in str(caught.value)


@pytest.mark.parametrize(
    "reference", ["a/b", "Org-1/x.y_z", "a/b/c/d", "a/b@main", "a/b@refs/pr/1"]
)
def test_hub_ids(hub: Hub, tmp_path: Path, reference: str) -> None:
    hub.error = ConnectionError("x")
    with pytest.raises(HubError):
        locate(reference, tmp_path)
    assert len(hub.asked) == 1


def test_from_python(hub: Hub, tmp_path: Path) -> None:
    state: Any
    with xlmerge.load(REPO) as state:
        assert len(state) == 8
