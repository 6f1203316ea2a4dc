"""Peer: PEFT's `add_weighted_adapter`. Arguments: BASE OUT TYPE DENSITY WEIGHTS FOLDER..."""

from __future__ import annotations

import sys

from peft import PeftModel
from transformers import XLMRobertaModel


def main(
    base: str, out: str, kind: str, density: str, weights: list[float], folders: list[str]
) -> None:
    """Load everything, merge, save; OUT gets a folder `merged`."""
    names = [f"input{index}" for index in range(len(folders))]
    model = PeftModel.from_pretrained(XLMRobertaModel.from_pretrained(base), folders[0], names[0])
    for name, folder in zip(names[1:], folders[1:], strict=True):
        model.load_adapter(folder, name)
    options = {"density": float(density)} if density != "-" else {}
    model.add_weighted_adapter(names, weights, "merged", combination_type=kind, **options)
    for parameter in model.parameters():  # PEFT 0.17 leaves views that safetensors does not save
        parameter.data = parameter.data.contiguous()
    model.save_pretrained(out, selected_adapters=["merged"])


main(*sys.argv[1:5], [float(w) for w in sys.argv[5].split(",")], sys.argv[6:])
