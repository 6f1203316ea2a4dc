"""An adapter as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from xlmerge.engine.reading import PointReader
from xlmerge.spaces.protocol import ignore

if TYPE_CHECKING:
    from xlmerge.checkpoint.cover import AdapterLayout
    from xlmerge.plugin.architecture import Parameter
    from xlmerge.plugin.headers import FolderHeader

__all__ = ["AdapterState"]


class AdapterState(Mapping[str, Any]):
    """The parameters of an adapter folder by canonical name; read from the file when asked for.

    A value is a point of its parameter's space: an array for bottlenecks, (IA)³ and prefixes, a
    :class:`xlmerge.spaces.LowRank` for LoRA.
    """

    def __init__(self, layout: AdapterLayout) -> None:
        self._layout = layout
        self._reader = PointReader(layout.folder.header.name or "adapter", layout)
        self.parameters: dict[str, Parameter] = layout.parameters()

    @property
    def layout(self) -> AdapterLayout:
        """The folder and what its tensors mean."""
        return self._layout

    @property
    def header(self) -> FolderHeader:
        """What the folder says of itself."""
        return self._layout.folder.header

    def __getitem__(self, name: str) -> Any:
        """The point of a parameter."""
        if name not in self.parameters:
            raise KeyError(name)
        return self._reader.point(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    def dense(self, name: str) -> Any:
        """What a parameter adds, as one array, zero where it does nothing (LoRA: scale * B @ A)."""
        space = self.space(name)
        return space.dense(space.delta(self[name]))

    def space(self, name: str) -> Any:
        """The space of a parameter."""
        for covered, bundle in self._layout.bundles():
            for parameter in bundle.parameters:
                if parameter.name == name:
                    return covered.half.space([parameter], ignore)
        raise KeyError(name)

    def close(self) -> None:
        """Close the files."""
        self._layout.folder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
