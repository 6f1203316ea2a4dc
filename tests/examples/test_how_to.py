"""The packages of the how-to pages: extracted, installed, used and tested as their reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import xlmerge
from xlmerge.errors import UnsupportedAdapterError
from xlmerge.testing import write_adapters_folder

if TYPE_CHECKING:
    from collections.abc import Callable

np = pytest.importorskip("numpy")
pytest.importorskip("hypothesis")

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
# A path on a line of its own, and the block that follows it.
FILE = re.compile(r"^`(?P<path>[\w./-]+)`\n\n```\w+\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)

pytestmark = pytest.mark.skipif(not PAGES.is_dir(), reason="the pages are not beside the tests")


@dataclass(frozen=True)
class Example:
    """A package that is "installed" by way of the path, and a folder to work in."""

    package: Path
    work: Path

    def python(self, *arguments: str, code: int = 0) -> str:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(self.package), *filter(None, sys.path)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "XLMERGE_STRICT_PLUGINS": "1",
        }
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.work,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=250,
        )
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def xlmerge(self, *arguments: str, code: int = 0) -> str:
        return self.python("-m", "xlmerge", *arguments, code=code)

    def tests(self) -> str:
        quiet = ("-q", "-p", "no:cacheprovider", "-W", "error", "--import-mode=importlib")
        return self.python("-m", "pytest", str(self.package / "tests"), *quiet)


@pytest.fixture
def example(tmp_path: Path) -> Callable[[str, str], Example]:
    def extract(page: str, name: str) -> Example:
        text = (PAGES / page).read_text(encoding="utf-8")
        found = {match["path"]: match["text"] for match in FILE.finditer(text)}
        assert all(path.startswith(f"{name}/") for path in found)
        for path, content in found.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")
        package, work = tmp_path / name, tmp_path / "work"
        work.mkdir()
        # What `pip install` writes of the entry points.
        project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        info = package / f"{name.replace('-', '_')}-{project['version']}.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {project['version']}\n"
        (info / "METADATA").write_text(metadata, encoding="utf-8")
        points = project["entry-points"]["xlmerge"].items()
        lines = "".join(f"{key} = {value}\n" for key, value in points)
        (info / "entry_points.txt").write_text(f"[xlmerge]\n{lines}", encoding="utf-8")
        return Example(package, work)

    return extract


def bottleneck(folder: Path, value: float) -> None:
    config = {
        "mh_adapter": False,
        "output_adapter": True,
        "reduction_factor": 2,
        "non_linearity": "relu",
    }
    shapes = {
        "adapter_down.0.weight": (4, 8),
        "adapter_down.0.bias": (4,),
        "adapter_up.weight": (8, 4),
        "adapter_up.bias": (8,),
    }
    root = "roberta.encoder.layer.0.output.adapters.{name}."
    tensors = {root + key: np.full(shape, value, np.float32) for key, shape in shapes.items()}
    write_adapters_folder(folder, config, tensors, name=folder.name)


def test_a_merge_method(example: Callable[[str, str], Example]) -> None:
    median = example("write-a-merge-method.md", "acme-xlmerge-median")
    assert "acme-xlmerge-median" in median.xlmerge("plugins")
    shown = median.xlmerge("methods", "show", "median")
    assert "coefficient: number at least 0, default 1" in shown
    for name, value in {"english": 1.0, "indonesian": 8.0, "javanese": 2.0}.items():
        bottleneck(median.work / name, value)
    median.xlmerge("merge", "median", "english", "indonesian", "javanese", "-o", "between")
    read = "import xlmerge; print({float(x.flat[0]) for x in xlmerge.load('between').values()})"
    assert median.python("-c", read).strip() == "{2.0}"
    refused = median.xlmerge(
        "merge", "median", "english", "--with", "coefficient=-1", "-o", "x", code=2
    )
    assert "coefficient" in refused


def test_its_tests(example: Callable[[str, str], Example]) -> None:
    assert "passed" in example("write-a-merge-method.md", "acme-xlmerge-median").tests()


def scale_shift(folder: Path, value: float) -> None:
    root = "roberta.encoder.layer.0.output.adapters.{name}."
    tensors = {root + key: np.full(4, value, np.float32) for key in ("scale", "shift")}
    config = {"architecture": "scale_shift", "after_attention": False}
    write_adapters_folder(folder, config, tensors, name=folder.name)


def test_an_architecture(example: Callable[[str, str], Example]) -> None:
    package = example("write-an-architecture.md", "acme-xlmerge-scale-shift")
    assert "scale_shift" in package.xlmerge("plugins")
    for name, value in {"mine": 2.0, "yours": 4.0, "theirs": 3.0}.items():
        scale_shift(package.work / name, value)
    told = package.xlmerge("inspect", "mine")
    assert "scale" in told
    assert "shift" in told
    package.xlmerge("merge", "linear", "mine", "yours", "--weights", "0.5,0.5", "-o", "ours")
    roles = ["task_in_source=mine", "reference_in_source=yours", "reference_in_target=theirs"]
    given = [argument for role in roles for argument in ("--role", role)]
    package.xlmerge("merge", "adamergex", *given, "-o", "gap")
    read = "import xlmerge; print([float(x[0]) for x in xlmerge.load('gap').values()])"
    scale, shift = eval(package.python("-c", read))
    assert (round(scale, 4), shift) == (1.5, 1.0)


def test_its_tests_too(example: Callable[[str, str], Example]) -> None:
    assert "passed" in example("write-an-architecture.md", "acme-xlmerge-scale-shift").tests()


def test_without_the_plugin_its_folders_are_refused_by_name(tmp_path: Path) -> None:
    scale_shift(tmp_path / "mine", 2.0)
    with pytest.raises(UnsupportedAdapterError, match="scale_shift"):
        xlmerge.load(tmp_path / "mine")


def test_a_composition_rule_and_an_invertible_adapter(
    example: Callable[[str, str], Example],
) -> None:
    package = example("write-a-composition-rule.md", "acme-xlmerge-dimmer")
    listed = package.xlmerge("plugins")
    assert "acme-xlmerge-dimmer" in listed
    assert "actnorm" in listed


@pytest.mark.libraries
@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("write-a-composition-rule.md", "acme-xlmerge-dimmer"),
        ("write-a-task.md", "acme-xlmerge-stars"),
        ("write-a-trainer.md", "acme-xlmerge-few-rows"),
    ],
)
def test_the_tests_of_what_runs_in_a_model(
    example: Callable[[str, str], Example], page: str, name: str
) -> None:
    pytest.importorskip("adapters")
    assert "passed" in example(page, name).tests()
