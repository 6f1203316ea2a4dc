"""The pins in the two constraints files say what ``pyproject.toml`` says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTED = ROOT / "constraints.txt"
LOWEST = ROOT / "constraints-lowest.txt"
# Bounds that no environment here can go down to.
NOT_LOWERED = {"torch"}

pytestmark = pytest.mark.skipif(not TESTED.is_file(), reason="the checkout is not beside the tests")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonical(name): version for name, version in pairs}


def bounds(*requirements: str) -> dict[str, str]:
    """The lower bound of each requirement, "" where it has none."""
    found = {}
    for requirement in requirements:
        name = re.match(r"[\w.-]+", requirement)
        lower = re.search(r">=\s*([\d.]+)", requirement)
        assert name, requirement
        found[canonical(name[0])] = lower[1] if lower else ""
    return found


def release(version: str) -> tuple[int, ...]:
    """A release as numbers, without the zeros at its end: 2.1 is 2.1.0."""
    numbers = [int(part) for part in version.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def declared() -> tuple[dict[str, str], dict[str, str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]
    package = project["project"]["dependencies"]
    everything = [r for group in groups.values() for r in group]
    return bounds(*package, *groups["test"]), bounds(*everything, *package)


def test_lowest_is_the_lower_bounds() -> None:
    lowest, tested = pins(LOWEST), pins(TESTED)
    for name, bound in declared()[0].items():
        if name in NOT_LOWERED:
            assert lowest[name] == tested[name]
        else:
            assert release(lowest[name]) == release(bound), name


def test_every_direct_dependency_is_pinned() -> None:
    assert not set(declared()[1]) - set(pins(TESTED))


@pytest.mark.parametrize("path", [TESTED, LOWEST], ids=lambda p: p.name)
def test_pins_carry_no_local_version(path: Path) -> None:
    assert not [v for v in pins(path).values() if "+" in v]
