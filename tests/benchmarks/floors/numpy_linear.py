"""Floor: a weighted sum in bare NumPy. Arguments: OUT WEIGHTS FOLDER...

LoRA is summed exactly, by putting the factors side by side. No checks, no hashes, no provenance.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from positioned import Tensors, write


def main(out: Path, weights: list[float], folders: list[Path]) -> None:
    """Merge and write."""
    [file] = [path.name for path in folders[0].glob("*.safetensors")]
    config = json.loads((folders[0] / "adapter_config.json").read_text())
    inputs = [Tensors(folder / file) for folder in folders]
    names = [name.replace(folders[0].name, "{name}") for name in inputs[0]]
    own = [[name.replace("{name}", folder.name) for name in names] for folder in folders]
    lora = [".lora_A." in name or ".lora_B." in name for name in names]
    shapes = {}
    for name, low_rank, first in zip(names, lora, own[0], strict=True):
        shape = list(inputs[0].header[first]["shape"])
        if low_rank:
            shape[".lora_B." in name] *= len(inputs)
        shapes[name.replace("{name}", out.name)] = tuple(shape)

    def merged() -> Iterator[np.ndarray]:
        for index, (name, low_rank) in enumerate(zip(names, lora, strict=True)):
            arrays = (tensors[keys[index]] for tensors, keys in zip(inputs, own, strict=True))
            if low_rank and ".lora_A." in name:
                yield np.concatenate(list(arrays))
            elif low_rank:
                yield np.concatenate([w * b for w, b in zip(weights, arrays, strict=True)], axis=1)
            else:
                total = weights[0] * next(arrays)
                for weight, array in zip(weights[1:], arrays, strict=True):
                    array *= weight
                    total += array
                yield total

    out.mkdir()
    write(out / file, shapes, merged())
    if any(lora):
        config["r"] *= len(inputs)
        config["lora_alpha"] *= len(inputs)
    if "name" in config:
        config["name"] = out.name
    (out / "adapter_config.json").write_text(json.dumps(config))


main(Path(sys.argv[1]), [float(w) for w in sys.argv[2].split(",")], [Path(a) for a in sys.argv[3:]])
