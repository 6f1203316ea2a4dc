"""What import-linter (``tox -e imports``) has no words for: underscored names."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2] / "plugins"
FILES = sorted(ROOT.glob("xlmerge_*/**/*.py"))
MODEL_SIDE = {"torch", "transformers", "adapters", "peft", "datasets"}

pytestmark = pytest.mark.skipif(not FILES, reason="the sources are not beside the tests")


def imports(path: Path) -> Iterator[str]:
    """The full names that a file imports at run time, wherever in it."""
    todo: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo.extend(node.orelse)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if not node.level:  # a relative one stays in the plugin
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
        else:
            todo.extend(ast.iter_child_nodes(node))


def identifier(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", FILES, ids=identifier)
def test_a_plugin_imports_public_names_only(path: Path) -> None:
    ours = [name.split(".") for name in imports(path) if name.split(".")[0] == "xlmerge"]
    assert not [".".join(n) for n in ours if any(part.startswith("_") for part in n)]


@pytest.mark.parametrize("path", FILES, ids=identifier)
def test_a_plugin_imports_the_model_side_in_underscored_modules_only(path: Path) -> None:
    parts = path.relative_to(ROOT).parts
    if not any(part.startswith("_") and part != "__init__.py" for part in parts):
        assert not [name for name in imports(path) if name.split(".")[0] in MODEL_SIDE]
