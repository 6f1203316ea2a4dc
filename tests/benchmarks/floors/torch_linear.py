"""Floor: a weighted sum with torch and the safetensors package. Arguments: OUT WEIGHTS FOLDER..."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


def main(out: Path, weights: list[float], folders: list[Path]) -> None:
    """Merge and write; safetensors or .bin, as the first folder has it."""
    [file] = [path.name for path in folders[0].iterdir() if path.suffix in {".safetensors", ".bin"}]
    config = json.loads((folders[0] / "adapter_config.json").read_text())
    packed = file.endswith(".safetensors")
    load = load_file if packed else torch.load
    states = [
        {key.replace(folder.name, out.name): value for key, value in load(folder / file).items()}
        for folder in folders
    ]
    merged = {}
    for key in states[0]:
        values = [state[key] for state in states]
        if ".lora_A." in key:
            merged[key] = torch.cat(values)
        elif ".lora_B." in key:
            merged[key] = torch.cat([w * b for w, b in zip(weights, values, strict=True)], dim=1)
        else:
            merged[key] = sum(w * v for w, v in zip(weights, values, strict=True))
    out.mkdir()
    (save_file if packed else torch.save)(merged, out / file)
    if "lora_alpha" in config:
        config["r"] *= len(folders)
        config["lora_alpha"] *= len(folders)
    if "name" in config:
        config["name"] = out.name
    (out / "adapter_config.json").write_text(json.dumps(config))


main(Path(sys.argv[1]), [float(w) for w in sys.argv[2].split(",")], [Path(a) for a in sys.argv[3:]])
