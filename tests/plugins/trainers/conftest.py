"""The tiny base model, with and without dropout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With dropout, whose random state has to survive."""
    from builders.tiny_training import save_base

    return save_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def base_without_dropout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without dropout, whose masks are other ones in each process."""
    from builders.tiny_training import save_base

    return save_base(tmp_path_factory.mktemp("steady"), dropout=0.0)
