"""Script: writes all adapters that the merges need. Arguments: FOLDER SIZE-AS-JSON COUNT BIN(0 or 1)"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from inputs import language_adapter, language_adapter_as_bin, lora_adapter
from sizes import Size


def main(folder: Path, size: Size, count: int, *, packed: bool) -> None:
    """Write them."""
    for index in range(count):
        language_adapter(folder / f"language{index}", size, seed=index)
        lora_adapter(folder / f"lora{index}", size, seed=1000 + index)
        if packed:
            language_adapter_as_bin(folder / f"bin{index}", folder / f"language{index}")


size = json.loads(sys.argv[2])
main(Path(sys.argv[1]), Size(**size), int(sys.argv[3]), packed=sys.argv[4] == "1")
