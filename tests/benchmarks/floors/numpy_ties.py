"""Floor: TIES over the whole task vector, in bare NumPy. Arguments: OUT DENSITY FOLDER...

Everything is held in memory, which is the fastest way; LoRA is taken factor by factor.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
from positioned import Tensors, write


def main(out: Path, density: float, folders: list[Path]) -> None:
    """Merge and write."""
    [file] = [path.name for path in folders[0].glob("*.safetensors")]
    config = json.loads((folders[0] / "adapter_config.json").read_text())
    trimmed = []
    for folder in folders:
        tensors = Tensors(folder / file)
        vector = np.concatenate([tensors[name].reshape(-1) for name in tensors])
        sizes = np.abs(vector)
        cut = vector.size - max(1, round(density * vector.size))
        vector[sizes < np.partition(sizes, cut)[cut]] = 0
        trimmed.append(vector)
    elected = np.sign(sum(trimmed))
    total, votes = np.zeros_like(elected), np.zeros_like(elected)
    for vector in trimmed:
        agrees = (np.sign(vector) == elected) & (vector != 0)
        total += np.where(agrees, vector, 0)
        votes += agrees
    total /= np.maximum(votes, 1)
    first = Tensors(folders[0] / file).header
    shapes = {
        name.replace(folders[0].name, out.name): tuple(e["shape"]) for name, e in first.items()
    }
    ends = np.cumsum([math.prod(shape) for shape in shapes.values()])
    out.mkdir()
    write(out / file, shapes, iter(np.split(total, ends[:-1])))
    if "name" in config:
        config["name"] = out.name
    (out / "adapter_config.json").write_text(json.dumps(config))


main(Path(sys.argv[1]), float(sys.argv[2]), [Path(a) for a in sys.argv[3:]])
