"""Weighted sums of adapters, made by the merge method ``linear`` in a folder that does not stay.

The same code that writes a merge for good, so that a composition and a merged file agree.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from xlmerge.checkpoint.compatibility import BaseModel
from xlmerge.checkpoint.cover import cover
from xlmerge.checkpoint.folder import open_adapter_folder
from xlmerge.engine import write_merge
from xlmerge.errors import RecipeError
from xlmerge.plan import Draft, StepRequest, plan_merge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xlmerge.plugin.registry import Registry
    from xlmerge.runtime.members import Member

__all__ = ["Interpolations"]

_METHOD = "linear"


class Interpolations:
    """Merged adapters below one folder, each made once.

    Args:
        scratch: An empty folder.
        registry: Architectures and the merge method.
    """

    def __init__(self, scratch: str | Path, registry: Registry) -> None:
        self.scratch = Path(scratch)
        self._registry = registry
        self._made: dict[tuple[tuple[Path | None, float], ...], Path] = {}

    def folder(self, members: Sequence[Member], weights: Sequence[float]) -> Path:
        """Folder of ``sum_i w_i theta_i``.

        It has a head if exactly one of the adapters has one.

        Args:
            members: Adapters with folders.
            weights: One for each.

        Raises:
            RecipeError: They do not fit together.
            CheckpointError: One cannot be read.
        """
        key = tuple((m.folder, float(w)) for m, w in zip(members, weights, strict=True))
        if key not in self._made:
            folder = self.scratch / f"interpolation-{len(self._made)}"
            folder.mkdir()
            self._write(members, weights, folder)
            self._made[key] = folder
        return self._made[key]

    def _write(self, members: Sequence[Member], weights: Sequence[float], folder: Path) -> None:
        names = [f"adapter_{index}" for index in range(len(members))]
        labels = dict(zip(names, (member.label for member in members), strict=True))
        with ExitStack() as stack:
            layouts = {
                name: cover(
                    stack.enter_context(open_adapter_folder(_folder(member))), self._registry
                )
                for name, member in zip(names, members, strict=True)
            }
            heads = sum(layout.has_head for layout in layouts.values())
            request = StepRequest(
                name="interpolation",
                method=_METHOD,
                adapters=dict(zip(names, map(float, weights), strict=True)),
                values={},
                heads="drop" if heads > 1 else None,
            )
            drafts = {
                name: Draft(layout, layout if layout.has_head else None)
                for name, layout in layouts.items()
            }
            plan, _, problems, _ = plan_merge(
                request, drafts, BaseModel(), self._registry, lambda path: _place(path, labels)
            )
            if plan is None:
                raise RecipeError(problems)
            write_merge(plan, layouts, folder)


def _folder(member: Member) -> Path:
    if member.folder is None:
        raise TypeError(f"{member.label} has no folder")
    return member.folder


def _place(path: tuple[str | int, ...], labels: dict[str, str]) -> str:
    """Where a problem is, in the words of the composition."""
    known = [labels[str(part)] for part in path if part in labels]
    return f"interpolate({', '.join(known or labels.values())})"
