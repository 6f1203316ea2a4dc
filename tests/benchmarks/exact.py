"""Script: how far merged adapters are from the exact result in float64.

Argument: a JSON object with ``truth`` (see `Truth` in cases.py) and ``outputs``, folders. Prints for
each output the largest absolute difference of an entry, and the relative error in the Frobenius norm.
What is compared is what an adapter does: of LoRA the matrix scale * B @ A, never the factors.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from floors.positioned import Tensors


class Adapter:
    """A folder of either library, its keys without the adapter's name."""

    def __init__(self, folder: Path) -> None:
        self.config = json.loads((folder / "adapter_config.json").read_text())
        [file] = [path for path in folder.iterdir() if path.suffix in {".safetensors", ".bin"}]
        self._tensors: Any = Tensors(file) if file.suffix == ".safetensors" else _torch_state(file)
        name = self.config.get("name")
        self.keys = {_canonical(key, name): key for key in self._tensors}

    def __getitem__(self, key: str) -> np.ndarray:
        return np.asarray(self._tensors[self.keys[key]])

    @property
    def modules(self) -> list[str]:
        """Modules with LoRA."""
        return [
            key.removesuffix(".lora_A.weight")
            for key in self.keys
            if key.endswith(".lora_A.weight")
        ]

    def factors(self, module: str) -> tuple[np.ndarray, np.ndarray]:
        """B, with the scale in it, and A, in float64."""
        rank, alpha = self.config["r"], self.config["lora_alpha"]
        path = module.removeprefix("base_model.model.")
        for table, default in (("rank_pattern", rank), ("alpha_pattern", alpha)):
            found = (
                v
                for p, v in (self.config.get(table) or {}).items()
                if re.match(rf"(.*\.)?({p})$", path)
            )
            default = next(found, default)
            rank, alpha = (default, alpha) if table == "rank_pattern" else (rank, default)
        scale = alpha / (math.sqrt(rank) if self.config.get("use_rslora") else rank)
        a, b = (self[f"{module}.lora_{factor}.weight"].astype(np.float64) for factor in "AB")
        return scale * b, a


def _torch_state(file: Path) -> dict[str, np.ndarray]:
    import torch

    return {key: value.numpy() for key, value in torch.load(file).items()}


def _canonical(key: str, name: str | None) -> str:
    key = key.removeprefix("roberta.")
    return key.replace(f".{name}.", ".") if name else key


Parts = Callable[[], Iterator[tuple[str, np.ndarray]]]


def exact(truth: dict[str, Any]) -> Parts:
    """The exact result, part by part."""
    inputs = [Adapter(Path(folder)) for folder in truth["inputs"]]
    if truth["kind"] == "ties":
        return lambda: _ties(inputs, truth["density"])
    if inputs[0].modules:
        return lambda: _low_rank(inputs, truth["weights"], truth.get("rank"))
    return lambda: _plain(inputs, truth["weights"])


def _plain(inputs: list[Adapter], weights: list[float]) -> Iterator[tuple[str, np.ndarray]]:
    for key in inputs[0].keys:
        yield key, sum(w * x[key].astype(np.float64) for w, x in zip(weights, inputs, strict=True))


def _low_rank(
    inputs: list[Adapter], weights: list[float], rank: int | None
) -> Iterator[tuple[str, np.ndarray]]:
    for module in inputs[0].modules:
        pairs = [adapter.factors(module) for adapter in inputs]
        b = np.concatenate([w * left for w, (left, _) in zip(weights, pairs, strict=True)], axis=1)
        a = np.concatenate([right for _, right in pairs])
        if rank is not None:
            left, left_core = np.linalg.qr(b)
            right, right_core = np.linalg.qr(a.T)
            u, s, v = np.linalg.svd(left_core @ right_core.T)
            b, a = left @ (u[:, :rank] * s[:rank]), v[:rank] @ right.T
        yield module, b @ a


def _ties(inputs: list[Adapter], density: float) -> Iterator[tuple[str, np.ndarray]]:
    """Yadav et al. 2023, algorithm 1, over the whole vector; of LoRA the factors, as the merged adapter has them."""
    keys = list(inputs[0].keys)
    thresholds = []
    for adapter in inputs:
        sizes = np.sort(np.abs(np.concatenate([adapter[key].reshape(-1) for key in keys])))
        thresholds.append(sizes[-max(1, round(density * sizes.size))])

    def merged(key: str) -> np.ndarray:
        kept = np.stack(
            [
                np.where(np.abs(x[key]) >= k, x[key], 0)
                for x, k in zip(inputs, thresholds, strict=True)
            ]
        )
        kept = kept.astype(np.float64)
        agrees = (np.sign(kept) == np.sign(kept.sum(axis=0))) & (kept != 0)
        return np.where(agrees, kept, 0).sum(axis=0) / np.maximum(agrees.sum(axis=0), 1)

    if not inputs[0].modules:
        yield from ((key, merged(key)) for key in keys)
        return
    scale = inputs[0].config["lora_alpha"] / inputs[0].config["r"]
    for module in inputs[0].modules:
        yield module, scale * merged(f"{module}.lora_B.weight") @ merged(f"{module}.lora_A.weight")


def errors(parts: Parts, output: Adapter) -> dict[str, float]:
    """Largest absolute and relative difference between an output and the exact result."""
    most = squares = norm = 0.0
    expected: set[str] = set()
    for name, array in parts():
        got = (
            np.matmul(*output.factors(name)) if output.modules else output[name].astype(np.float64)
        )
        expected.add(name)
        most = max(most, float(np.abs(got - array).max()))
        squares += float(np.sum((got - array) ** 2))
        norm += float(np.sum(array**2))
    found = set(output.modules or output.keys)
    if found != expected:
        return {"max": math.inf, "relative": math.inf}
    return {"max": most, "relative": math.sqrt(squares / norm)}


def main(request: dict[str, Any]) -> None:
    """Answer."""
    parts = exact(request["truth"])
    print(json.dumps([errors(parts, Adapter(Path(output))) for output in request["outputs"]]))


main(json.loads(sys.argv[1]))
