"""What is merged, by whom, and what the exact result is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from measure import HERE
from ours import merge_command
from sizes import Size

__all__ = ["Case", "Contender", "Truth", "merge_cases"]

Command = Callable[[Path], list[str]]
"""From the folder to write to a command."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to get a case done.

    Attributes:
        name: For the table.
        role: xlmerge, a bare script, or another library.
        command: The whole process.
        below: Where in the output folder the adapter lies.
        seldom: Takes minutes: one run without a warm-up, and none in a hurry.
        needs: Libraries.
    """

    name: str
    role: Literal["ours", "floor", "peer"]
    command: Command
    below: str = "."
    seldom: bool = False
    needs: tuple[str, ...] = ()

    @property
    def installed(self) -> bool:
        """Whether the libraries are there that it needs."""
        return all(find_spec(name) is not None for name in self.needs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The exact result: a weighted sum, its best approximation of a rank, or TIES."""

    kind: Literal["sum", "ties"]
    inputs: Sequence[Path]
    weights: Sequence[float] = ()
    rank: int | None = None
    density: float | None = None

    def as_data(self) -> dict[str, object]:
        """For `exact.py`."""
        return {
            "kind": self.kind,
            "inputs": [str(path) for path in self.inputs],
            "weights": list(self.weights),
            "rank": self.rank,
            "density": self.density,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One merge.

    Attributes:
        name: For ``--only``.
        title: For the table.
        count: Number of adapters.
        truth: The exact result.
        contenders: xlmerge first.
        within: xlmerge may take this many times the time of the first floor; None without a budget.
    """

    name: str
    title: str
    count: int
    truth: Truth
    contenders: Sequence[Contender]
    within: float | None = 3.0


DENSITY = 0.2
ADAMERGEX_T = 0.5


def merge_cases(inputs: Path, size: Size, *, few: bool = False) -> list[Case]:
    """All cases.

    Args:
        inputs: Folder with the adapters ``language*``, ``bin*``, ``lora*`` and the model ``base``.
        size: What they are for.
        few: Only two adapters.
    """
    cases: list[Case] = []
    for count in (2,) if few else (2, size.many):
        cases += _language_cases(inputs, count)
        cases += _lora_cases(inputs, size, count)
    return [*cases, _adamergex(inputs)]


def weights_for(count: int) -> list[float]:
    """Different weights that sum to 1."""
    total = count * (count + 1) // 2
    head = [round((index + 1) / total, 4) for index in range(count - 1)]
    return [*head, round(1 - sum(head), 4)]


def _script(name: str, *arguments: object) -> list[str]:
    return [sys.executable, str(HERE / name), *map(str, arguments)]


def _listed(weights: Sequence[float]) -> str:
    return ",".join(f"{weight:g}" for weight in weights)


def _ours(method: str, *adapters: Any, **options: Any) -> Contender:
    """xlmerge, with the arguments of `merge_command`."""
    return Contender(
        "xlmerge", "ours", lambda out: merge_command(method, out, *adapters, **options)
    )


def _average(base: Path, weights: Sequence[float], folders: Sequence[Path]) -> Contender:
    return Contender(
        "adapters average_adapter",
        "peer",
        lambda out: _script("peers/adapters_average.py", base, out, _listed(weights), *folders),
        needs=("adapters", "torch"),
    )


def _peft(
    kind: str, base: Path, weights: Sequence[float], folders: Sequence[Path], density: object = "-"
) -> Contender:
    return Contender(
        f"PEFT {kind}",
        "peer",
        lambda out: _script(
            "peers/peft_weighted.py", base, out, kind, density, _listed(weights), *folders
        ),
        below="merged",
        seldom=kind == "svd",
        needs=("peft", "torch"),
    )


def _linear_floor(weights: Sequence[float], folders: Sequence[Path]) -> Contender:
    return Contender(
        "numpy script",
        "floor",
        lambda out: _script("floors/numpy_linear.py", out, _listed(weights), *folders),
    )


def _torch_floor(weights: Sequence[float], folders: Sequence[Path]) -> Contender:
    return Contender(
        "torch script",
        "floor",
        lambda out: _script("floors/torch_linear.py", out, _listed(weights), *folders),
        needs=("torch", "safetensors"),
    )


def _ties_floor(folders: Sequence[Path]) -> Contender:
    return Contender(
        "numpy script", "floor", lambda out: _script("floors/numpy_ties.py", out, DENSITY, *folders)
    )


def _language_cases(inputs: Path, count: int) -> list[Case]:
    plain = [inputs / f"language{index}" for index in range(count)]
    packed = [inputs / f"bin{index}" for index in range(count)]
    base, weights = inputs / "base", weights_for(count)
    total = Truth(kind="sum", inputs=plain, weights=weights)
    cases = [
        Case(
            name="linear",
            title="linear, MAD-X language adapters",
            count=count,
            truth=total,
            contenders=[
                _ours("linear", plain, weights),
                _linear_floor(weights, plain),
                _torch_floor(weights, plain),
                _average(base, weights, plain),
            ],
        ),
        Case(
            name="language_arithmetic",
            title="language_arithmetic, MAD-X language adapters",
            count=count,
            truth=total,
            contenders=[
                _ours("language_arithmetic", plain, weights),
                _linear_floor(weights, plain),  # and the peer of `linear`: it is the same sum
            ],
        ),
        Case(
            name="ties",
            title=f"ties, MAD-X language adapters, density {DENSITY}",
            count=count,
            truth=Truth(kind="ties", inputs=plain, density=DENSITY),
            contenders=[
                _ours("ties", plain, values={"density": DENSITY}),
                _ties_floor(plain),
            ],
        ),
    ]
    if packed[0].is_dir():
        cases.insert(
            1,
            Case(
                name="bin",
                title="linear, MAD-X language adapters in .bin files",
                count=count,
                truth=total,
                contenders=[
                    _ours("linear", packed, weights),
                    _linear_floor(weights, plain),  # on safetensors: NumPy alone cannot read .bin
                    _torch_floor(weights, packed),
                    _average(base, weights, packed),
                ],
            ),
        )
    return cases


def _lora_cases(inputs: Path, size: Size, count: int) -> list[Case]:
    folders = [inputs / f"lora{index}" for index in range(count)]
    base, weights = inputs / "base", weights_for(count)
    ones = [1.0] * count
    return [
        Case(
            name="lora",
            title="linear, LoRA, exact (ranks add up)",
            count=count,
            truth=Truth(kind="sum", inputs=folders, weights=weights),
            contenders=[
                _ours("linear", folders, weights),
                _linear_floor(weights, folders),
                _torch_floor(weights, folders),
                _peft("cat", base, weights, folders),
                _peft("linear", base, weights, folders),
            ],
        ),
        Case(
            name="recompress",
            title=f"linear, LoRA, recompressed to rank {size.rank}",
            count=count,
            truth=Truth(kind="sum", inputs=folders, weights=weights, rank=size.rank),
            within=2.0,
            contenders=[
                _ours("linear", folders, weights, values={"rank": size.rank}),
                Contender(
                    "numpy script",
                    "floor",
                    lambda out: _script(
                        "floors/numpy_recompress.py", out, _listed(weights), size.rank, *folders
                    ),
                ),
                *([_peft("svd", base, weights, folders)] if count == 2 else []),
            ],
        ),
        Case(
            name="lora_ties",
            title=f"ties, LoRA, on the factors, density {DENSITY}",
            count=count,
            truth=Truth(kind="ties", inputs=folders, density=DENSITY),
            contenders=[
                _ours("ties", folders, values={"density": DENSITY, "elements": "factors"}),
                _ties_floor(folders),
                _peft("ties", base, ones, folders, DENSITY),
            ],
        ),
    ]


def _adamergex(inputs: Path) -> Case:
    names = ["task_in_source", "reference_in_source", "reference_in_target"]
    folders = [inputs / f"lora{index}" for index in range(3)]
    weights = [1.0, -ADAMERGEX_T, ADAMERGEX_T]
    roles = dict(zip(names, folders, strict=True))
    return Case(
        name="adamergex",
        title=f"adamergex, LoRA, exact, t = {ADAMERGEX_T}",
        count=3,
        truth=Truth(kind="sum", inputs=folders, weights=weights),
        contenders=[
            _ours("adamergex", roles=roles, values={"t": ADAMERGEX_T}),
            _linear_floor(weights, folders),
            _peft("linear", inputs / "base", weights, folders),
        ],
    )
