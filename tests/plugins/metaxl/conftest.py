"""The tiny base model, and a model on the stage with networks."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("adapters")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session", autouse=True)
def _forward_mode() -> None:
    """Let torch load its rules of forward mode, at which it warns of a function of its own."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.func.jvp(torch.sin, (torch.ones(1),), (torch.ones(1),))


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without dropout."""
    from builders.bilevel import save_base

    return save_base(tmp_path_factory.mktemp("steady"))


@pytest.fixture(scope="session")
def base_with_dropout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With dropout, which draws anew in each forward pass of a model that is trained."""
    from builders.bilevel import save_base

    return save_base(tmp_path_factory.mktemp("dropping"), dropout=0.2)


@pytest.fixture
def made(base: Path, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Puts a model on the stage, one after the other in one test."""
    from contextlib import ExitStack

    from builders import bilevel

    with ExitStack() as held:

        def make(base: Path = base, **fields: Any) -> Any:
            held.close()
            return held.enter_context(bilevel.made(base, tmp_path, **fields))

        yield make
