"""A broken plugin takes down nothing but itself, and the command line says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BROKEN = Path(__file__).parents[1] / "broken_plugins"


def run(site: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(site), str(BROKEN), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-m", "xlmerge", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": path, **env},
    )


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder on the path with one distribution, whose plugin fails to import."""
    info = tmp_path / "site" / "acme_broken-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: acme-broken\nVersion: 1.0\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text(
        "[xlmerge]\nbroken = acme_xlmerge_import_error\n", encoding="utf-8"
    )
    return tmp_path / "site"


def test_one_line_on_stderr_and_the_data_on_stdout(site: Path) -> None:
    done = run(site, "methods", "--json")
    assert done.returncode == 0
    assert len(json.loads(done.stdout)) >= 7
    [line] = done.stderr.splitlines()
    assert line.startswith("warning: plugin 'broken' (acme-broken) failed while importing it")


def test_plugins_lists_it(site: Path) -> None:
    done = run(site, "plugins")
    assert (done.returncode, done.stderr) == (0, "")
    [row] = [line for line in done.stdout.splitlines() if line.startswith("broken")]
    assert row.split()[:4] == ["broken", "acme-broken", "1.0", "failed"]
    assert "failed while importing it" in done.stdout
    [found] = [
        each
        for each in json.loads(run(site, "plugins", "--json").stdout)["plugins"]
        if each["name"] == "broken"
    ]
    assert found["status"] == "failed"
    assert "importing" in found["failure"]


def test_a_method_nobody_has_may_be_its(site: Path) -> None:
    done = run(site, "methods", "show", "stuff")
    assert done.returncode == 3
    assert "acme-broken" in done.stderr
    assert "Traceback" not in done.stderr


def test_strict(site: Path) -> None:
    done = run(site, "plugins", XLMERGE_STRICT_PLUGINS="1")
    assert done.returncode == 3
    assert not done.stdout
    assert "Traceback" in done.stderr  # of the plugin, for its author
    assert "acme_xlmerge_import_error" in done.stderr
    assert done.stderr.rpartition("error: ")[2].startswith("plugin 'broken'")


def test_disabled(site: Path) -> None:
    for name in ("broken", "acme-broken", "acme_broken"):
        done = run(site, "plugins", XLMERGE_DISABLE_PLUGINS=name, XLMERGE_STRICT_PLUGINS="1")
        assert done.returncode == 0
        assert "disabled" in done.stdout


def test_a_strictness_that_is_neither_yes_nor_no(site: Path) -> None:
    done = run(site, "methods", XLMERGE_STRICT_PLUGINS="perhaps")
    assert done.returncode == 3
    assert "expects 1 or 0" in done.stderr
