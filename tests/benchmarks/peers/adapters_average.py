"""Peer: `average_adapter` of adapters, as its documentation says. Arguments: BASE OUT WEIGHTS FOLDER..."""

from __future__ import annotations

import sys
from pathlib import Path

import adapters
from transformers import XLMRobertaModel


def main(base: str, out: str, weights: list[float], folders: list[str]) -> None:
    """Load everything, average, save."""
    model = XLMRobertaModel.from_pretrained(base)
    adapters.init(model)
    packed = Path(folders[0], "adapter.safetensors").is_file()
    names = [model.load_adapter(folder, use_safetensors=packed) for folder in folders]
    model.average_adapter("merged", names, weights=weights, normalize_weights=False)
    model.save_adapter(out, "merged", use_safetensors=packed)


main(sys.argv[1], sys.argv[2], [float(w) for w in sys.argv[3].split(",")], sys.argv[4:])
