"""What is printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from budgets import Verdict
from cases import Case
from memory import MemoryBound
from race import Result
from startup import Start

__all__ = ["print_case", "print_heading", "print_memory", "print_startup", "print_verdicts"]


def _rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """The first column to the left, all others to the right."""
    table = [head, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    for row in table:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  " + row[0].ljust(max(widths[0], 40)) + "  " + "  ".join(cells), flush=True)


def print_heading(text: str) -> None:
    """A line over a table."""
    print(f"\n{text}", flush=True)


def print_case(case: Case, results: Sequence[Result]) -> None:
    """Times, memory, ratios, errors."""
    print_heading(f"{case.title}; n = {case.count} [{case.name}]")
    [ours] = [result.measured for result in results if result.role == "ours"]
    floors = [result.measured for result in results if result.role == "floor"]
    rows = [
        (
            result.name,
            f"{result.measured.wall:.2f}",
            f"{result.measured.cpu:.2f}",
            f"{result.measured.peak:.0f}",
            f"{result.measured.wall / floors[0].wall:.1f}" if floors else "-",
            f"{result.measured.cpu / floors[0].cpu:.1f}" if floors else "-",
            f"{result.measured.wall / ours.wall:.2f}",
            f"{result.measured.peak / ours.peak:.2f}",
            f"{result.largest:.1e}",
            f"{result.relative:.1e}",
            str(result.measured.runs),
        )
        for result in results
    ]
    _rows(
        (
            "",
            "wall s",
            "cpu s",
            "peak MiB",
            "wall/numpy",
            "cpu/numpy",
            "wall/xlmerge",
            "peak/xlmerge",
            "max |diff|",
            "rel. error",
            "runs",
        ),
        rows,
    )


def print_startup(starts: Sequence[Start]) -> None:
    """Times and memory."""
    print_heading("Starting up [startup]")
    rows = [
        (
            start.name,
            f"{start.measured.wall:.3f}",
            f"{start.measured.cpu:.3f}",
            f"{start.measured.peak:.0f}",
        )
        for start in starts
    ]
    _rows(("", "wall s", "cpu s", "peak MiB"), rows)


def print_memory(bound: MemoryBound) -> None:
    """Peaks in two depths."""
    print_heading(
        f"linear, {bound.count} synthetic LoRAs of {bound.depths[1].size:.0f} MiB each, exact [memory]"
    )
    rows = [("imports (tiny adapters)", "", "", f"{bound.imports:.0f}", "")]
    rows += [
        (
            f"{depth.layers} layers, {depth.size:.0f} MiB each",
            f"{depth.run.wall:.2f}",
            f"{depth.run.cpu:.2f}",
            f"{depth.run.peak:.0f}",
            f"{depth.run.peak - bound.imports:.0f}",
        )
        for depth in bound.depths
    ]
    rows.append(("one parameter of all inputs", "", "", "", f"{bound.scope:.0f}"))
    _rows(("", "wall s", "cpu s", "peak MiB", "beyond imports"), rows)


def print_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Each budget, and whether it is met."""
    print_heading("Budgets")
    rows = [(v.what, v.bound, v.measured, "met" if v.met else "NOT MET") for v in verdicts]
    _rows(("", "budget", "measured", ""), rows)
