"""Whether memory grows with the number of layers: a large LoRA set in two depths."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from cases import weights_for
from measure import Run, launch, tool
from ours import merge_command
from sizes import Size

__all__ = ["Depth", "MemoryBound", "memory_bound"]

COUNT = 8
SITES = 4  # of each layer, as make_synthetic.py writes them


@dataclass(frozen=True, slots=True)
class Depth:
    """A merge of adapters with some number of layers, each adapter of some MiB."""

    layers: int
    size: float
    run: Run


@dataclass(frozen=True, slots=True)
class MemoryBound:
    """Peaks of the same merge in two depths.

    Attributes:
        count: Number of adapters.
        imports: Peak in MiB where the adapters are tiny.
        scope: MiB of one parameter of all inputs together.
        depths: The shallow set and the deep one.
    """

    count: int
    imports: float
    scope: float
    depths: tuple[Depth, Depth]

    @property
    def growth(self) -> float:
        """Peak of the deep set over that of the shallow one."""
        return self.depths[1].run.peak / self.depths[0].run.peak

    @property
    def scopes(self) -> float:
        """What is held beyond the imports, in scopes of all inputs."""
        return (self.depths[1].run.peak - self.imports) / self.scope


def memory_bound(folder: Path, size: Size, scale: float) -> MemoryBound:
    """Make the sets, merge them, remove them."""
    width, rank = size.synthetic
    deep = max(4, round(size.synthetic_layers * scale))
    imports = _merge(folder, 8, 2, 2).peak
    module = 2 * width * rank * 4 / (1 << 20)
    depths = [
        Depth(layers, SITES * layers * module, _merge(folder, width, rank, layers))
        for layers in (deep // 2, deep)
    ]
    return MemoryBound(COUNT, imports, COUNT * module, (depths[0], depths[1]))


def _merge(folder: Path, width: int, rank: int, layers: int) -> Run:
    work = folder / "synthetic"
    tool("make_synthetic.py", work, width, rank, layers, COUNT)
    adapters = [work / f"big{index}" for index in range(COUNT)]
    try:
        return launch(
            merge_command("linear", work / "merged", adapters, weights_for(COUNT)), folder
        )
    finally:
        shutil.rmtree(work)
