"""The library's cache lies in a folder of the test run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _own_cache(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if request.node.get_closest_marker("libraries") is None:
        return  # finding files and ordering rows need no library
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


@pytest.fixture
def without_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """No request leaves the machine."""
    import datasets
    import huggingface_hub.constants

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Plain text files that are parsed, in order."""
    from xlmerge.runtime.data import records

    seen: list[Path] = []
    real = records._BY_LINE["text"]

    def counted(path: Path, columns: object) -> object:
        seen.append(path)
        return real(path, columns)

    monkeypatch.setitem(records._BY_LINE, "text", counted)
    return seen
