"""Every hook is specified so that an author needs no other page."""

from __future__ import annotations

import doctest
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy
import pytest

from xlmerge.plugin import discover, spec
from xlmerge.plugin.checks import KINDS

if TYPE_CHECKING:
    from xlmerge.plugin.checks import Kind


def specified() -> list[str]:
    """The hooks that pluggy finds."""
    manager = pluggy.PluginManager(spec.PROJECT)
    manager.add_hookspecs(spec)
    return sorted(name for name in vars(manager.hook) if not name.startswith("_"))


def sections(hook: str) -> dict[str, str]:
    """The docstring of a hook by section; its first line as ``purpose``."""
    purpose, *lines = inspect.getdoc(getattr(spec, hook)).splitlines()
    found = {"purpose": purpose}
    heading = None
    for line in lines:
        if line.endswith(":") and not line.startswith(" "):
            heading = line.removesuffix(":")
            found[heading] = ""
        elif heading is not None:
            found[heading] += line.strip() + "\n"
    return found


def test_the_list_of_hooks_is_complete() -> None:
    assert specified() == sorted(spec.HOOKS)
    assert all(name.startswith("xlmerge_") for name in spec.HOOKS)
    assert {kind.hook for kind in KINDS} == set(spec.HOOKS)
    assert set(spec.HOOKS) <= set(spec.__all__)


@pytest.mark.parametrize("hook", specified())
def test_a_hook_is_documented(hook: str) -> None:
    documented = sections(hook)
    assert list(documented) == ["purpose", "Called", "Example", "Returns", "Bad values"]
    assert documented.pop("purpose").endswith(".")
    for heading, text in documented.items():
        assert len(text.split()) >= 8, f"{hook}: {heading} says too little"
    assert "@hookimpl" in documented["Example"]
    assert f"def {hook}()" in documented["Example"]


@pytest.mark.parametrize("hook", specified())
def test_a_hook_takes_nothing_and_returns_descriptors(hook: str) -> None:
    signature = inspect.signature(getattr(spec, hook))
    assert not signature.parameters
    assert str(signature.return_annotation).startswith("Iterable[")


@pytest.mark.parametrize("hook", specified())
def test_the_example_of_a_hook_runs(hook: str) -> None:
    [example] = doctest.DocTestFinder(recurse=False).find(
        getattr(spec, hook), hook, globs=dict(vars(spec))
    )
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.hook)
def test_a_hook_has_a_bundled_user(kind: Kind) -> None:
    """What nothing uses has not been shown to work."""
    registry = discover(strict=True)
    assert len(getattr(registry, kind.field)), f"no bundled plugin implements {kind.hook}"
    assert any(getattr(info, kind.field) for info in registry.plugins)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.hook)
def test_a_hook_has_a_page_with_a_complete_package(kind: Kind) -> None:
    pages = Path(__file__).parents[2] / "docs" / "how-to"
    if not pages.is_dir():
        pytest.skip("the pages are not beside the tests")
    pattern = re.compile(rf"^@hookimpl\ndef {kind.hook}\(\)", re.MULTILINE)
    assert any(pattern.search(page.read_text(encoding="utf-8")) for page in pages.glob("*.md"))
