"""Tiny adapter folders of every kind, made from plain NumPy and the package's own writers.

Key names, shapes and settings are those that the libraries write for a model of 2 layers and width
8, so that the folders load there too. Nothing here imports torch.

    folder = make(tmp_path / "en", "seq_bn_inv", seed=1, labels=3)
    output = merge("linear", {folder: 0.5}, output=tmp_path / "half")
    arrays = tensors(output)
"""

from __future__ import annotations

from builders.folders import ADAPTERS_KINDS, KINDS, PEFT_KINDS, make, write_recipe
from builders.layouts import MODELS, Model
from builders.reading import (
    config,
    document,
    edit_config,
    edit_head,
    edit_tensors,
    listing,
    snapshot,
    tensor_file,
    tensors,
)
from builders.running import (
    Recorder,
    check_problems,
    merge,
    merge_error,
    registry,
    run,
    run_problems,
)

__all__ = [
    "ADAPTERS_KINDS",
    "KINDS",
    "MODELS",
    "PEFT_KINDS",
    "Model",
    "Recorder",
    "check_problems",
    "config",
    "document",
    "edit_config",
    "edit_head",
    "edit_tensors",
    "listing",
    "make",
    "merge",
    "merge_error",
    "registry",
    "run",
    "run_problems",
    "snapshot",
    "tensor_file",
    "tensors",
    "write_recipe",
]
