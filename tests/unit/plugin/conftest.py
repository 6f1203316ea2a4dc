"""Plugins that are "installed" for one test: real metadata folders on a path of the test's own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

BROKEN_PLUGINS = Path(__file__).parents[2] / "broken_plugins"


class Install(Protocol):
    """Writes the metadata of a distribution, as ``pip install`` would."""

    def __call__(
        self,
        distribution: str,
        entry_points: dict[str, str],
        *,
        version: str = "1.0",
        folder: str = "site",
    ) -> Path: ...


def write_distribution(
    folder: Path, distribution: str, entry_points: dict[str, str], version: str = "1.0"
) -> None:
    info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n", encoding="utf-8"
    )
    lines = "".join(f"{name} = {value}\n" for name, value in entry_points.items())
    (info / "entry_points.txt").write_text(f"[xlmerge]\n{lines}", encoding="utf-8")


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install distributions; the plugins that are really installed are out of sight."""
    # First, since undoing puts back the path as it was before this call.
    monkeypatch.syspath_prepend(str(BROKEN_PLUGINS))
    monkeypatch.setattr(sys, "path", [path for path in sys.path if "site-packages" not in path])
    before = set(sys.modules)

    def install(
        distribution: str,
        entry_points: dict[str, str],
        *,
        version: str = "1.0",
        folder: str = "site",
    ) -> Path:
        site = tmp_path / folder
        write_distribution(site, distribution, entry_points, version)
        if str(site) not in sys.path:
            monkeypatch.syspath_prepend(str(site))
        return site

    yield install
    # The next test imports its plugins anew, so that faults at import happen again.
    for name in set(sys.modules) - before:
        if "_xlmerge_" in name or name.startswith("xlmerge_"):
            del sys.modules[name]
