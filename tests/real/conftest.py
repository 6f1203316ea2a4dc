"""The shared data, for tests that need it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def world(shared_data: Path, tmp_path: Path) -> Any:
    """The shared data, and a folder for recipes."""
    for library in ("torch", "adapters", "peft"):
        pytest.importorskip(library)
    from .world import World

    return World(shared_data, tmp_path)
