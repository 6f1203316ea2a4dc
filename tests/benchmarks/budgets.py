"""The budgets of the design, held against what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cases import Case
from memory import MemoryBound
from race import Result
from startup import Start

__all__ = ["Verdict", "memory_verdicts", "merge_verdicts", "startup_verdicts"]

START_SECONDS = 0.3
PEAK_MIB = 150.0
FASTER = 10.0
GROWTH = 1.1
SCOPES = 1.5  # "about one"
ROUNDING = 1e-6  # of float32


@dataclass(frozen=True, slots=True)
class Verdict:
    """One budget: what it is about, the bound, what was measured, and whether it is met."""

    what: str
    bound: str
    measured: str
    met: bool


def merge_verdicts(case: Case, results: Sequence[Result]) -> list[Verdict]:
    """Right, fast, small."""
    [ours] = [result for result in results if result.role == "ours"]
    floors = [result for result in results if result.role == "floor"]
    name = f"{case.name}, n = {case.count}"
    verdicts = [
        Verdict(
            f"{name}: exact",
            f"error < {ROUNDING:g}",
            f"{ours.relative:.1e}",
            ours.relative < ROUNDING,
        ),
        Verdict(
            f"{name}: memory",
            f"< {PEAK_MIB:g} MiB",
            f"{ours.measured.peak:.0f} MiB",
            ours.measured.peak < PEAK_MIB,
        ),
    ]
    if case.within is not None and floors:
        ratio = ours.measured.wall / floors[0].measured.wall
        verdicts.append(
            Verdict(
                f"{name}: against the numpy script",
                f"<= {case.within:g} x",
                f"{ratio:.2f} x",
                ratio <= case.within,
            )
        )
    for peer in (result for result in results if result.role == "peer"):
        ratio = peer.measured.wall / ours.measured.wall
        verdicts.append(
            Verdict(
                f"{name}: against {peer.name}",
                f">= {FASTER:g} x faster",
                f"{ratio:.0f} x faster",
                ratio >= FASTER,
            )
        )
    return verdicts


def startup_verdicts(starts: Sequence[Start]) -> list[Verdict]:
    """Quick to start, on an idle machine."""
    return [
        Verdict(
            start.name,
            f"< {START_SECONDS} s",
            f"{start.measured.wall:.3f} s",
            start.measured.wall < START_SECONDS,
        )
        for start in starts
        if start.budgeted
    ]


def memory_verdicts(bound: MemoryBound) -> list[Verdict]:
    """Memory for about a scope of each input, whatever the number of layers."""
    return [
        Verdict(
            "memory, twice as many layers",
            f"<= {GROWTH} x",
            f"{bound.growth:.2f} x",
            bound.growth <= GROWTH,
        ),
        Verdict(
            "memory beyond imports, in scopes of all inputs",
            f"about 1 (<= {SCOPES:g})",
            f"{bound.scopes:.1f}",
            bound.scopes <= SCOPES,
        ),
    ]
