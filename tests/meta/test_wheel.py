"""The wheel by itself, in an environment without torch: ``tox -e wheel``.

Everything runs in processes with ``-I``, from an empty folder: what is found was in the wheel.
"""

from __future__ import annotations

import importlib.metadata
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    os.environ.get("XLMERGE_TEST_WHEEL") != "1",
    reason="needs the built wheel, installed without the model side: tox -e wheel",
)

MODEL_SIDE = {"adapters", "datasets", "peft", "seqeval", "torch", "transformers"}
PLUGINS = ["adamergex", "language_arithmetic", "madx", "metaxl", "standard"]


def python(*arguments: str, cwd: Path) -> str:
    """What an isolated interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-I", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


def xlmerge(*arguments: str, cwd: Path) -> str:
    """What the installed command prints."""
    return python("-c", f"from xlmerge.cli import main; main({list(arguments)!r})", cwd=cwd)


def test_the_environment_is_what_this_file_says(tmp_path: Path) -> None:
    installed = {d.name.lower() for d in importlib.metadata.distributions()}
    assert not installed & MODEL_SIDE
    place = Path(python("-c", "import xlmerge; print(xlmerge.__file__)", cwd=tmp_path).strip())
    assert place.is_relative_to(sys.prefix)


def test_the_files_group_is_the_rest_of_the_dependencies() -> None:
    """Whatever is not the model side is here, so a new dependency is sorted into one of the two."""
    packaging = pytest.importorskip("packaging.requirements")
    needed = map(packaging.Requirement, importlib.metadata.requires("xlmerge") or [])
    for requirement in needed:
        if requirement.name in MODEL_SIDE:
            continue
        found = importlib.metadata.version(requirement.name)
        assert requirement.specifier.contains(found), f"{requirement}: found {found}"


def test_all_plugins_are_in_the_wheel() -> None:
    entry_points = importlib.metadata.entry_points(group="xlmerge")
    assert sorted(e.name for e in entry_points) == PLUGINS
    for entry_point in entry_points:
        entry_point.load()


def test_typed_and_licensed() -> None:
    files = {str(f) for f in importlib.metadata.files("xlmerge") or []}
    assert "xlmerge/py.typed" in files
    assert any(name.endswith("licenses/LICENSE") for name in files)
    assert not any(name.startswith(("tests/", "src/", "plugins/")) for name in files)


def test_version(tmp_path: Path) -> None:
    assert importlib.metadata.version("xlmerge") in xlmerge("--version", cwd=tmp_path)


def test_the_script_is_installed() -> None:
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="xlmerge")
    assert script.value == "xlmerge.cli:main"


@pytest.mark.parametrize("name", PLUGINS)
def test_plugins_lists_all(name: str, tmp_path: Path) -> None:
    assert name in xlmerge("plugins", cwd=tmp_path)


@pytest.mark.parametrize("method", ["linear", "language_arithmetic", "adamergex"])
def test_methods_lists_each_plugin_s_own(method: str, tmp_path: Path) -> None:
    assert method in xlmerge("methods", cwd=tmp_path)


def test_merges_files(tiny_merge: Path) -> None:
    xlmerge("run", "recipe.yaml", "-o", "out", cwd=tiny_merge)
    content = (tiny_merge / "out" / "mean" / "adapter_model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    numbers = struct.unpack("<16f", content[8 + length :])
    assert numbers == (2.5,) * 16
