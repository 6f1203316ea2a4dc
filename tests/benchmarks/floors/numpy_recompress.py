"""Floor: the best rank-R approximation of a weighted sum of LoRAs. Arguments: OUT WEIGHTS RANK FOLDER...

From the factors, by QR and a small singular value decomposition in float32; one BLAS thread, since
the factorisations are many and small.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
import numpy as np
from positioned import Tensors, write


def main(out: Path, weights: list[float], rank: int, folders: list[Path]) -> None:
    """Merge and write."""
    [file] = [path.name for path in folders[0].glob("*.safetensors")]
    config = json.loads((folders[0] / "adapter_config.json").read_text())
    inputs = [Tensors(folder / file) for folder in folders]
    modules = [key.removesuffix(".lora_A.weight") for key in inputs[0] if ".lora_A." in key]
    shapes: dict[str, tuple[int, ...]] = {}
    for module in modules:
        a, b = (inputs[0].header[f"{module}.lora_{factor}.weight"]["shape"] for factor in "AB")
        shapes[f"{module}.lora_A.weight"] = (rank, a[1])
        shapes[f"{module}.lora_B.weight"] = (b[0], rank)

    def merged() -> Iterator[np.ndarray]:
        for module in modules:
            a = np.concatenate([tensors[f"{module}.lora_A.weight"] for tensors in inputs])
            b = np.concatenate(
                [w * t[f"{module}.lora_B.weight"] for w, t in zip(weights, inputs, strict=True)],
                axis=1,
            )
            left, left_core = np.linalg.qr(b)
            right, right_core = np.linalg.qr(a.T)
            u, s, v = np.linalg.svd(left_core @ right_core.T)
            roots = np.sqrt(s[:rank])
            yield roots[:, None] * (v[:rank] @ right.T)
            yield left @ (u[:, :rank] * roots)

    out.mkdir()
    write(out / file, shapes, merged())
    config["lora_alpha"] *= rank / config["r"]
    config["r"] = rank
    (out / "adapter_config.json").write_text(json.dumps(config))


main(
    Path(sys.argv[1]),
    [float(w) for w in sys.argv[2].split(",")],
    int(sys.argv[3]),
    [Path(a) for a in sys.argv[4:]],
)
