"""Which plugins are found, in which order, and what the environment can change about it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import xlmerge
from xlmerge.errors import ParameterError, PluginError, PluginLoadError
from xlmerge.plugin import discover

if TYPE_CHECKING:
    from conftest import Install

GOOD = {"good": "acme_xlmerge_good"}


def test_nothing_is_installed(install: Install) -> None:
    registry = discover()
    assert registry.plugins == ()
    with pytest.raises(ParameterError, match="no plugin was found at all"):
        registry.method("linear")


def test_a_plugin_is_found(install: Install) -> None:
    install("acme-xlmerge-good", GOOD, version="2.5")
    registry = discover(strict=True)
    [info] = registry.plugins
    assert (info.name, info.module) == ("good", "acme_xlmerge_good")
    assert (info.distribution, info.version, info.status) == ("acme-xlmerge-good", "2.5", "loaded")
    assert (info.architectures, info.methods) == (("good_adapter",), ("good_first",))
    method = registry.method("good_first")
    assert (method.plugin, method.distribution, method.version) == (
        "good",
        "acme-xlmerge-good",
        "2.5",
    )
    assert registry.architecture("good_adapter").descriptor.name == "good_adapter"
    assert not registry.notices


def test_entry_points_of_other_groups_are_not_ours(install: Install) -> None:
    site = install("acme-other", {})
    [info] = site.glob("*.dist-info")
    (info / "entry_points.txt").write_text("[console_scripts]\nacme = nowhere:main\n")
    assert discover(strict=True).plugins == ()


def test_the_order_is_that_of_names(install: Install) -> None:
    install("b", {"zebra": "acme_xlmerge_no_hook"})
    install("a", {"zebra": "acme_xlmerge_no_version", "ape": "acme_xlmerge_exit"})
    found = [(info.name, info.distribution) for info in discover().plugins]
    assert found == [("ape", "a"), ("zebra", "a"), ("zebra", "b")]


@pytest.mark.parametrize("second", ["acme_xlmerge_good", "acme_xlmerge_clash"])
def test_a_distribution_found_twice_does_not_clash_with_itself(
    install: Install, second: str
) -> None:
    install("acme-xlmerge-good", {"good": second}, version="0.9", folder="wheel")
    install("Acme_xlmerge.good", GOOD, version="1.0", folder="editable")  # first on the path
    registry = discover(strict=True)
    assert [info.version for info in registry.plugins] == ["1.0"]
    assert list(registry.methods) == ["good_first"]


def test_the_same_entry_points_listed_twice(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("acme-xlmerge-good", GOOD)
    points = list(metadata.entry_points(group="xlmerge"))
    monkeypatch.setattr(metadata, "entry_points", lambda **_: points * 2)
    assert len(discover(strict=True).plugins) == 1


def test_an_entry_point_without_distribution(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [metadata.EntryPoint("good", "acme_xlmerge_good", "xlmerge")]
    monkeypatch.setattr(metadata, "entry_points", lambda **_: points)
    registry = discover(strict=True)
    assert registry.method("good_first").distribution is None
    assert "no distribution" in registry.method("good_first").provider


def test_a_distribution_without_metadata(install: Install) -> None:
    site = install("acme-xlmerge-good", GOOD)
    next(site.glob("*.dist-info/METADATA")).unlink()
    [info] = discover(strict=True).plugins
    assert (info.status, info.distribution, info.version) == ("loaded", None, None)


def test_entry_points_that_cannot_be_read_spoil_no_others(install: Install) -> None:
    install("acme-xlmerge-good", GOOD)
    site = install("unrelated", {}, folder="elsewhere")
    next(site.glob("*.dist-info/entry_points.txt")).write_text("[xlmerge]\nno equals sign\n")
    registry = discover()
    assert list(registry.methods) == ["good_first"]
    [notice] = registry.notices
    assert "unrelated" in notice
    assert "cannot be read" in notice


def test_an_entry_point_that_is_no_reference(install: Install) -> None:
    install("acme-xlmerge-good", GOOD | {"odd": "not a module!"})
    registry = discover()
    assert [failure.plugin for failure in registry.failures] == ["odd"]
    assert list(registry.methods) == ["good_first"]


@pytest.mark.parametrize("module", ["xlmerge_standard.plugin", "xlmerge_acme:plugin", "xlmerge.x"])
def test_import_names_of_xlmerge_are_refused_unimported(install: Install, module: str) -> None:
    install("acme-xlmerge-good", GOOD)
    install("acme", {"mine": module})
    before = set(sys.modules)
    registry = discover()
    [failure] = registry.failures
    for word in ("'mine'", "(acme)", "reserved", "pip overwrites", "<owner>_xlmerge_<name>"):
        assert word in str(failure)
    assert module not in set(sys.modules) - before
    assert list(registry.methods) == ["good_first"]


def test_xlmerge_itself_may_use_them(install: Install) -> None:
    site = install("XLmerge", {"acme": "xlmerge_acme.plugin"})
    (site / "xlmerge_acme").mkdir()
    (site / "xlmerge_acme" / "__init__.py").touch()
    (site / "xlmerge_acme" / "plugin.py").write_text("from acme_xlmerge_good import *\n")
    assert discover(strict=True).plugins[0].status == "loaded"


@pytest.mark.parametrize("switch", ["good", "acme-xlmerge-good", " Acme_XLmerge.good , ,", "good,"])
def test_disabled_by_the_environment(
    install: Install, monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    install("acme-xlmerge-good", GOOD)
    monkeypatch.setenv("XLMERGE_DISABLE_PLUGINS", switch)
    registry = discover(strict=True)
    assert [info.status for info in registry.plugins] == ["disabled"]
    assert "acme_xlmerge_good" not in sys.modules
    with pytest.raises(ParameterError, match=r"'good' .*may provide it but is disabled"):
        registry.method("good_first")
    # What the caller says goes before what the environment says.
    assert discover(disabled=[], strict=True).plugins[0].status == "loaded"


def test_an_unknown_disabled_name_is_told(
    install: Install, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install("acme-xlmerge-good", GOOD)
    monkeypatch.setenv("XLMERGE_DISABLE_PLUGINS", "goood")
    registry = discover()
    assert registry.notices == tuple(caplog.messages)
    [notice] = registry.notices
    for word in ("XLMERGE_DISABLE_PLUGINS", "'goood'", "did you mean 'good'?"):
        assert word in notice
    # It is no plugin that failed, so nothing may "come from it".
    assert not registry.failures
    with pytest.raises(ParameterError):
        registry.method("unknown")
    with pytest.raises(PluginError, match="goood"):
        discover(strict=True)


@pytest.mark.parametrize("value", ["1", "true", " TRUE "])
def test_strict_by_the_environment(
    install: Install, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    install("acme-exit", {"exit": "acme_xlmerge_exit"})
    monkeypatch.setenv("XLMERGE_STRICT_PLUGINS", value)
    with pytest.raises(PluginLoadError):
        discover()
    assert len(discover(strict=False).failures) == 1


@pytest.mark.parametrize("value", ["", "0", "false"])
def test_not_strict_by_the_environment(
    install: Install, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    install("acme-exit", {"exit": "acme_xlmerge_exit"})
    monkeypatch.setenv("XLMERGE_STRICT_PLUGINS", value)
    assert len(discover().failures) == 1


def test_neither_strict_nor_not(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLMERGE_STRICT_PLUGINS", "perhaps")
    with pytest.raises(PluginError, match=r"XLMERGE_STRICT_PLUGINS expects 1 or 0.*'perhaps'"):
        discover()


PROGRAM = """
import json, sys
import xlmerge.plugin
registry = xlmerge.plugin.discover()
heavy = sorted({"numpy", "torch", "pydantic", "yaml"} & set(sys.modules))
print(json.dumps({"methods": list(registry.methods), "heavy": heavy}))
"""


def test_in_a_process_of_its_own(install: Install, tmp_path: Path) -> None:
    install("acme-xlmerge-good", GOOD)
    site = install("acme-exit", {"exit": "acme_xlmerge_exit"})
    broken = Path(__file__).parents[2] / "broken_plugins"
    source = Path(xlmerge.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, [source, site, broken]))},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = json.loads(done.stdout)
    assert "good_first" in found["methods"]
    assert found["heavy"] == []
    # Nobody has set up logging here, and still it is one line on stderr.
    [line] = [line for line in done.stderr.splitlines() if "acme" in line]
    assert line == (
        "plugin 'exit' (acme-exit) failed while importing it: SystemExit: usage: acme FILE"
    )
