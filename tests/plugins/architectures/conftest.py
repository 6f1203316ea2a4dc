"""Folders as architectures see them: headers without files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

from xlmerge.plugin import FolderHeader, TensorHeader

if TYPE_CHECKING:
    from collections.abc import Mapping


class MakeHeader(Protocol):
    """Makes a header."""

    def __call__(
        self,
        format_: str,
        config: Mapping[str, Any],
        shapes: Mapping[str, tuple[int, ...]],
        *,
        prefix: str = "",
        **more: Any,
    ) -> FolderHeader: ...


@pytest.fixture
def header() -> MakeHeader:
    """Format, configuration and shapes by canonical key, as a header."""

    def make(
        format_: Any,
        config: Mapping[str, Any],
        shapes: Mapping[str, tuple[int, ...]],
        *,
        prefix: str = "",
        **more: Any,
    ) -> FolderHeader:
        tensors = {
            key: TensorHeader(name=prefix + key, dtype="float32", shape=shape)
            for key, shape in shapes.items()
        }
        return FolderHeader(
            path="folder", format=format_, name="mine", config=config, tensors=tensors, **more
        )

    return make
