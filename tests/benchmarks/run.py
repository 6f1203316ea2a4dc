"""Benchmarks of whole processes, xlmerge against bare scripts and other libraries, all in one run.

    python tests/benchmarks/run.py            everything; half an hour
    python tests/benchmarks/run.py --quick    fewer runs, nothing that takes minutes
    python tests/benchmarks/run.py --smoke    tiny adapters: only to see that everything runs

Inputs are random, made in a temporary folder and removed at the end. Nothing is asserted about time:
the table says what was measured, and which budgets of the design it meets.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from budgets import Verdict, memory_verdicts, merge_verdicts, startup_verdicts
from cases import merge_cases
from measure import tool
from memory import memory_bound
from race import Effort, Race
from sizes import BASE, TINY, Size
from startup import startup_times
from table import print_case, print_heading, print_memory, print_startup, print_verdicts

GROUPS = ("startup", "memory")
FULL = Effort(runs=7, peer_runs=3, warm_up=True, peers=True, seldom=True)
QUICK = Effort(runs=5, peer_runs=1, warm_up=True, peers=True, seldom=False)
SMOKE = Effort(runs=1, peer_runs=1, warm_up=False, peers=True, seldom=True, once=True)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    names = sorted({case.name for case in merge_cases(Path(), BASE)} | {"bin", *GROUPS})
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer runs, and nothing that takes minutes"
    )
    parser.add_argument("--smoke", action="store_true", help="tiny adapters, one run each")
    parser.add_argument(
        "--only", nargs="+", choices=names, metavar="NAME", help=f"some of: {', '.join(names)}"
    )
    parser.add_argument(
        "--scale",
        type=float,
        help="size of the memory set: 1 is 8 x 1 GiB, and as much again for the result",
    )
    parser.add_argument("--no-peers", action="store_true", help="xlmerge and the bare scripts only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there")
    return parser.parse_args(argv)


def _effort(options: argparse.Namespace) -> Effort:
    effort = SMOKE if options.smoke else QUICK if options.quick else FULL
    return Effort(**{**asdict(effort), "peers": effort.peers and not options.no_peers})


def _make_inputs(folder: Path, size: Size, effort: Effort, count: int) -> None:
    """The adapters, and the model that the peers want."""
    torch = find_spec("torch") is not None
    as_json = json.dumps(asdict(size))
    tool("make_inputs.py", folder, as_json, count, int(torch))
    if torch and effort.peers:
        tool("base_model.py", folder / "base", as_json)


def _versions() -> dict[str, str]:
    names = ("xlmerge", "numpy", "torch", "adapters", "peft", "transformers", "safetensors")
    known = {name: metadata.version(name) for name in names if find_spec(name) is not None}
    return {"python": platform.python_version(), **known, "cores": str(os.cpu_count())}


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is asked for; 1 if a result of xlmerge is not exact."""
    options = _arguments(argv)
    effort = _effort(options)
    size = TINY if options.smoke else BASE
    scale = (
        options.scale
        if options.scale is not None
        else (0.05 if options.quick else 0.1 if options.smoke else 1.0)
    )
    versions = _versions()
    print(", ".join(f"{name} {version}" for name, version in versions.items()), flush=True)
    verdicts: list[Verdict] = []
    numbers: dict[str, Any] = {"versions": versions, "merges": []}
    with tempfile.TemporaryDirectory(prefix="xlmerge-benchmarks-") as temporary:
        folder = Path(temporary)
        wanted = set(options.only or ())
        if not wanted or wanted != {"memory"}:
            print_heading("Making the inputs ...")
            _make_inputs(folder / "inputs", size, effort, max(size.many, 3))
        race = Race(folder / "race", effort)
        race.folder.mkdir()
        for case in merge_cases(folder / "inputs", size, few=options.smoke):
            if not wanted or case.name in wanted:
                results = race.run(case)
                print_case(case, results)
                verdicts += merge_verdicts(case, results)
                numbers["merges"].append(
                    {
                        "case": case.name,
                        "n": case.count,
                        "results": [asdict(result) for result in results],
                    }
                )
        if not wanted or "startup" in wanted:
            starts = startup_times(folder, folder / "inputs", effort.runs)
            print_startup(starts)
            verdicts += startup_verdicts(starts)
            numbers["startup"] = [asdict(start) for start in starts]
        shutil.rmtree(folder / "inputs", ignore_errors=True)  # the memory set may need the room
        if not wanted or "memory" in wanted:
            bound = memory_bound(folder, size, scale)
            print_memory(bound)
            verdicts += memory_verdicts(bound)
            numbers["memory"] = asdict(bound)
    print_verdicts(verdicts)
    numbers["budgets"] = [asdict(verdict) for verdict in verdicts]
    if options.json:
        options.json.write_text(json.dumps(numbers, indent=1) + "\n")
    return 0 if all(verdict.met for verdict in verdicts if verdict.what.endswith(": exact")) else 1


if __name__ == "__main__":
    sys.exit(main())
