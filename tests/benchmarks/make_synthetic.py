"""Script: writes the LoRA set for the memory bound. Arguments: FOLDER WIDTH RANK LAYERS COUNT"""

from __future__ import annotations

import sys
from pathlib import Path

from inputs import synthetic_adapter

folder = Path(sys.argv[1])
width, rank, layers, count = map(int, sys.argv[2:])
for index in range(count):
    synthetic_adapter(folder / f"big{index}", width, rank, layers, seed=index)
